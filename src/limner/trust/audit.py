"""An append-only log of what was made and refused: words and numbers, never a picture and never an embedding.

One JSON object a line; each holds the hash of the line before, so that a line that was changed or taken out shows. Only
lines cut off at the end do not: who must prove those too keeps copies elsewhere.
"""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from limner.core.errors import ConfigError, InputError
from limner.trust.folder import private_folder

NAME = "audit.jsonl"
LONGEST = 200
"""No value is longer, in characters: enough for names and numbers, too little for features of a face."""

Value = str | int | float | bool | None | list[str]


def audit_path() -> Path:
    """Where the log lies."""
    return private_folder() / NAME


def record(event: str, **values: Value) -> None:
    """Append one line, on the disk before this returns; several processes may write.

    Raises:
        ConfigError: a value is too long for a log without pictures and embeddings.
        InputError: the log cannot be written.
    """
    for name, value in values.items():
        if len(json.dumps(value)) > LONGEST:
            raise ConfigError(f"the audit log takes no {name} of this length: it holds no pictures and no embeddings")
    from filelock import FileLock

    path = audit_path()
    try:
        with FileLock(path.with_suffix(".lock")):
            line = {"when": _now(), "event": event, **values, "before": _last_hash(path)}
            _append(path, json.dumps(line, ensure_ascii=False))
    except OSError as error:
        raise InputError(
            f"cannot write the audit log {path} ({error.strerror}); what is not logged is not done"
        ) from error


def read_log(path: Path | None = None) -> list[dict[str, Value]]:
    """Every line, oldest first; empty if there is no log.

    Raises:
        InputError: a line was changed, taken out or put in; the message says which.
    """
    source = path or audit_path()
    if not source.exists():
        return []
    lines: list[dict[str, Value]] = []
    before = ""
    for number, text in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        line = _parsed(text)
        if line.get("before") != before:
            raise InputError(f"{source} was changed at line {number} or before it; keep it as evidence and ask who did")
        before = _hash(text)
        lines.append(line)
    return lines


def _parsed(text: str) -> dict[str, Value]:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _append(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last_hash(path: Path) -> str:
    """Of the last line; only the end of the file is read."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return _hash(lines[-1]) if lines else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
