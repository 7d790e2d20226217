"""The rows of a batch file: who, what and which number, one picture each; CSV with a header, or JSON lines."""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from limner.apps.styles import DEFAULT_SUBJECT
from limner.core.config import Config
from limner.core.errors import ConfigError, InputError
from limner.data.invented_people import named_in, person_file

SEPARATOR = ";"
"""Between several photos of one person in one cell."""


class BatchRow(Config):
    """One picture of a batch.

    Attributes:
        person: photos of one person, separated by semicolons, one identity card, or the name of an invented person;
            paths from the batch file. Empty where the prompt names an invented person.
        prompt: what the picture shows.
        seed: its number.
        style: name of a style.
        negative_prompt: what it should not show.
    """

    person: str = ""
    prompt: str = ""
    seed: int = Field(default=0, ge=0, lt=2**32)
    style: str | None = None
    negative_prompt: str | None = None

    @property
    def words(self) -> str:
        """The prompt, or what a style shows where there is none."""
        return self.prompt or (DEFAULT_SUBJECT if self.style else "")

    def files(self, folder: Path) -> tuple[Path, ...]:
        """The person's files.

        Raises:
            ConfigError: there are none, and the prompt names several people.
        """
        given = tuple(person_file(part.strip(), folder) for part in self.person.split(SEPARATOR) if part.strip())
        named = None if given else named_in(self.prompt)
        return given if named is None else (named,)


@dataclass(frozen=True)
class Line:
    """A line of a batch file.

    Attributes:
        number: from 1, the header not counted; the picture is named after it.
        row: None where the line cannot be read.
        error: why not.
    """

    number: int
    row: BatchRow | None
    error: str = ""

    @property
    def file(self) -> str:
        """Name of its picture."""
        return f"{self.number:04d}.png"


def read_rows(path: Path) -> list[Line]:
    """Every line of a batch file; a line that cannot be read says why, and does not stop the others.

    Raises:
        InputError: the file cannot be read, or has no lines.
        ConfigError: it is neither .csv nor .jsonl, or a column is unknown.
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    if path.suffix not in readers:
        raise ConfigError(f"{path} is neither .csv nor .jsonl; give a table with a header, or one JSON object a line")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}); check the name") from error
    lines = [_line(number, values) for number, values in enumerate(readers[path.suffix](text, path), start=1)]
    if not lines:
        raise InputError(f"{path} has no rows; give at least one, with person and prompt")
    return lines


def fingerprint(row: BatchRow, files: Sequence[Path], circumstances: object) -> str:
    """Hexadecimal digits that differ when a row, a photo of its person or anything else of its making differs.

    Raises:
        InputError: a file cannot be read.
    """
    digest = hashlib.sha256(json.dumps([row.model_dump(mode="json"), circumstances], sort_keys=True).encode())
    for path in files:
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check the name") from error
    return digest.hexdigest()[:16]


def _csv_rows(text: str, path: Path) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(StringIO(text, newline=""), strict=True)
    unknown = set(reader.fieldnames or ()) - BatchRow.model_fields.keys()
    if unknown:
        raise ConfigError(
            f"{path} has the unknown columns {', '.join(sorted(map(str, unknown)))}; known are "
            f"{', '.join(BatchRow.model_fields)}"
        )
    for values in reader:
        extra = {"more cells than columns": values.pop(None)} if None in values else {}
        yield {name: value for name, value in values.items() if value} | extra


def _json_rows(text: str, path: Path) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.strip():
            try:
                values = json.loads(line)
            except json.JSONDecodeError as error:
                values = {"": f"is no JSON ({error})"}
            yield values if isinstance(values, dict) else {"": "is no object"}


def _line(number: int, values: dict[str, Any]) -> Line:
    if "" in values:
        return Line(number, None, f"the line {values['']}")
    try:
        return Line(number, BatchRow.model_validate(values))
    except ValidationError as error:
        told = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return Line(number, None, "; ".join(told))
