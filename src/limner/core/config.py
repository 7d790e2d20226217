"""Settings of a run: frozen, no unknown keys, read from TOML, changed by ``key=value``, written back."""

import difflib
import hashlib
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from limner.core.errors import ConfigError
from limner.core.files import replacing


class Config(BaseModel):
    """Base of all settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, overrides: Sequence[str] = ()) -> Self:
        """Read a TOML file and change single values.

        Args:
            overrides: each ``"training.steps=10"``; the value is TOML, or a plain word.

        Raises:
            ConfigError: the file or an override is missing, malformed, unknown or out of range.
        """
        values = _read_toml(Path(path))
        for override in overrides:
            _apply(values, override)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            told = "; ".join(_tell(cls, problem) for problem in error.errors())
            raise ConfigError(f"{path}: {told}") from error

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the resolved settings as TOML; settings without a value are left out."""
        with replacing(path) as temporary:
            temporary.write_text(tomli_w.dumps(self._plain()), encoding="utf-8")

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that differ when any setting differs."""
        return hashlib.sha256(tomli_w.dumps(self._plain()).encode()).hexdigest()[:12]

    def _plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


def peek(path: Path, key: str) -> Any:
    """One top-level value of a TOML file, None if it is not there.

    Raises:
        ConfigError: the file is missing or malformed.
    """
    return _read_toml(path).get(key)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); check the name") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *tables, last = key.strip().split(".")
    if not equals or not all([*tables, last]):
        raise ConfigError(f"the override {override!r} has the wrong form; write key=value, e.g. training.steps=10")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"the override {override!r} looks inside {table!r}, which is a single value")
    values[last] = _parse(text.strip())


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _tell(model: type[BaseModel], problem: ErrorDetails) -> str:
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg']}"
    close = difflib.get_close_matches(str(problem["loc"][-1]), _all_keys(model), n=1)
    return f"{where}: unknown" + (f", did you mean {close[0]!r}?" if close else "")


def _all_keys(model: type[BaseModel]) -> set[str]:
    """Names of the settings of a model and of the models directly inside it, however deep."""
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= _all_keys(field.annotation)
    return keys
