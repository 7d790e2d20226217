"""Public names exist and stand in order; importing is cheap; no file has outgrown its noun."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.architecture.imports import SOURCE

INITS = sorted((SOURCE / "limner").rglob("__init__.py"))
MAX_LINES = 400


def _module_name(init: Path) -> str:
    return ".".join(init.parent.relative_to(SOURCE).parts)


def _constants_then_classes_then_functions(name: str) -> tuple[int, str]:
    """The order that ruff's RUF022 keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("init", INITS, ids=_module_name)
def test_public_names_are_sorted_and_exist(init: Path) -> None:
    module = import_module(_module_name(init))
    names = list(getattr(module, "__all__", []))
    assert names == sorted(set(names), key=_constants_then_classes_then_functions)
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("init", INITS, ids=_module_name)
def test_what_a_room_imports_it_exports(init: Path) -> None:
    tree = ast.parse(init.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("limner")
        for alias in node.names
    }
    assert imported - set(getattr(import_module(_module_name(init)), "__all__", [])) == set()


@pytest.mark.parametrize("module", ["limner", "limner.core", "limner.apps.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'cv2', 'ai_edge_litert', 'dlib'}"
    code = f"import sys, {module}; print(*sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_files_stay_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert {str(path.relative_to(SOURCE)): lines for path, lines in lengths.items() if lines > MAX_LINES} == {}
