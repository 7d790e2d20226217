"""Where the packaged weights lie and whether they are whole.

``weights/SHA256SUMS`` lists every packaged file in the format of ``sha256sum``; ``make sums`` writes it anew.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from limner.core.errors import CheckpointError

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
SUMS_NAME = "SHA256SUMS"


def asset_path(name: str) -> Path:
    """Find a packaged file or folder, e.g. ``"yunet/yunet_n_dynamic.onnx"``.

    Raises:
        CheckpointError: it is not there.
    """
    path = WEIGHTS / name
    if not path.exists():
        raise CheckpointError(
            f"the packaged file {name} is missing from {WEIGHTS}; install Limner again, or fetch the whole repository"
        )
    return path


@dataclass(frozen=True)
class Asset:
    """A packaged file as it was found."""

    name: str
    """Path below the folder of weights, with forward slashes."""
    num_bytes: int
    """Size on disk; 0 when the file is missing."""
    sha256: str
    """Hash of the file on disk in hexadecimal; empty when the file is missing."""
    expected_sha256: str

    @property
    def whole(self) -> bool:
        """Whether the file is the one that was packaged."""
        return self.sha256 == self.expected_sha256

    @property
    def state(self) -> str:
        """``"ok"``, ``"missing"`` or ``"changed"``."""
        if self.whole:
            return "ok"
        return "changed" if self.sha256 else "missing"


def packaged_assets(folder: Path = WEIGHTS) -> list[Asset]:
    """Hash every file that ``SHA256SUMS`` in ``folder`` lists, in its order.

    Raises:
        CheckpointError: the list itself is missing or broken.
    """
    return [_found(folder, name, expected) for name, expected in _read_sums(folder / SUMS_NAME)]


def write_sums(folder: Path = WEIGHTS) -> None:
    """Write ``SHA256SUMS`` for every file below ``folder`` except itself, licence texts and remarks."""
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in listed_files(folder)]
    (folder / SUMS_NAME).write_text("".join(lines), encoding="utf-8")


def listed_files(folder: Path = WEIGHTS) -> list[Path]:
    """The files that ``SHA256SUMS`` has to list, sorted by name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if not _is_prose(path))


def _is_prose(path: Path) -> bool:
    return path.name in {SUMS_NAME, "LICENSE"} or path.suffix == ".md" or path.name.startswith(".")


def _found(folder: Path, name: str, expected: str) -> Asset:
    path = folder / name
    if not path.is_file():
        return Asset(name, 0, "", expected)
    return Asset(name, path.stat().st_size, _sha256(path), expected)


def _read_sums(path: Path) -> list[tuple[str, str]]:
    try:
        rows = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        return [(name, digest) for digest, name in rows]
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}, the list of packaged files, cannot be read; install Limner again") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
