"""Who imports whom, read from the source without running it, and which edges the design allows."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"

USES = {
    "core": set(),
    "faces": {"core"},
    "diffusion": {"core"},
    "losses": {"core"},
    "trust": {"core"},
    "identity": {"core", "faces"},
    "data": {"core", "faces", "identity"},
    "adapters": {"core", "faces", "identity", "diffusion"},
    "systems": {"core", "faces", "identity", "diffusion", "losses", "adapters", "data"},
    "training": {"core", "faces", "identity", "diffusion", "losses", "adapters", "data", "systems"},
    "evaluation": {"core", "faces", "identity", "diffusion", "losses", "adapters", "data", "systems"},
}
"""What each room may import besides itself; ``apps`` may import every room."""
SYSTEMS_ASSEMBLED_IN = (
    "limner.apps.assembly",
    "limner.apps.opened_adapter",
    "limner.apps.training_features",
    "limner.apps.training_miniature",
    "limner.apps.training_miniature_fact",
    "limner.apps.training_upscaler",
    "limner.apps.training_pose",
    "limner.apps.training_fact",
    "limner.apps.training_few_steps",
)
"""The first two for pictures, the others for training runs: together they would pass the limit on a file's length."""
CONTRACT = "limner.systems.contract"


@dataclass(frozen=True)
class Import:
    """One import of one module by another, both by full name."""

    importer: str
    imported: str
    line: int


def imports_of(source: str, importer: str, *, is_package: bool) -> Iterator[Import]:
    """Every import in a file, those inside functions and ``if TYPE_CHECKING`` included.

    ``from package import name`` counts as both ``package`` and ``package.name``, since the name may be a module.
    """
    package = importer.split(".") if is_package else importer.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(importer, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield Import(importer, origin, node.lineno)
            for alias in node.names:
                yield Import(importer, f"{origin}.{alias.name}", node.lineno)


def all_imports(source: Path = SOURCE) -> list[Import]:
    """Every import of every file below ``limner``."""
    found: list[Import] = []
    for path in sorted((source / "limner").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        importer = ".".join(parts[:-1] if is_package else parts)
        found += imports_of(path.read_text(encoding="utf-8"), importer, is_package=is_package)
    return found


def complaint(edge: Import) -> str | None:
    """Why the design forbids an import, or ``None``."""
    importer, imported = edge.importer.split("."), edge.imported.split(".")
    if imported[0] != "limner" or len(importer) == 1:
        return None  # the root hands out names of every room
    if len(imported) == 1:
        return "a room imports rooms, not the root"
    room, used = importer[1], imported[1]
    if room == used:
        return None
    if room != "apps" and used not in USES.get(room, set()):
        return f"{room} may not know {used}"
    if used != "systems" or edge.imported == "limner.systems":
        return None
    concrete = edge.imported != CONTRACT and not edge.imported.startswith(f"{CONTRACT}.")
    if concrete and room in {"training", "evaluation"}:
        return f"{room} sees only {CONTRACT}"
    if concrete and room == "apps" and edge.importer not in SYSTEMS_ASSEMBLED_IN:
        return f"only {SYSTEMS_ASSEMBLED_IN[0]} names concrete systems"
    return None


def cycles(edges: list[Import]) -> list[str]:
    """Rooms that import each other, directly or through others."""
    uses: dict[str, set[str]] = {}
    for edge in edges:
        importer, imported = edge.importer.split("."), edge.imported.split(".")
        if len(importer) > 1 and len(imported) > 1 and imported[0] == "limner" and importer[1] != imported[1]:
            uses.setdefault(importer[1], set()).add(imported[1])
    return [room for room in uses if room in _reachable(room, uses)]


def _reachable(room: str, uses: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(uses.get(room, ()))
    while waiting:
        if (other := waiting.pop()) not in seen:
            seen.add(other)
            waiting += uses.get(other, ())
    return seen
