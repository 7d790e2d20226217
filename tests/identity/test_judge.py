import ast
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.core.errors import MissingExtraError
from limner.core.images import read_image
from limner.faces.detection import FaceDetector, select_face
from limner.identity import judge as judge_module
from limner.identity.judge import JudgeRecognizer
from limner.identity.recognition import distance

SOURCE = Path(__file__).resolve().parents[2] / "src" / "limner"
JUDGE = "limner.identity.judge"


@pytest.fixture(scope="module")
def judge() -> JudgeRecognizer:
    try:
        return JudgeRecognizer()
    except MissingExtraError as error:
        pytest.skip(str(error))


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)  # importlib.import_module("limner.identity.judge")
    return names


def test_only_evaluation_knows_the_judge():
    paths = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] != "evaluation"]
    assert len(paths) > 10
    assert [path for path in paths if JUDGE in imported_names(path)] == []


def test_an_import_of_the_judge_would_be_noticed(tmp_path: Path):
    lines = [f"import {JUDGE}", "from limner.identity import judge", f"from {JUDGE} import JudgeRecognizer"]
    for line in [*lines, f"def f():\n    import_module({JUDGE!r})"]:
        (tmp_path / "guilty.py").write_text(line)
        assert JUDGE in imported_names(tmp_path / "guilty.py")


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'limner\[judge\]'"):
        JudgeRecognizer()


def test_a_missing_dlib_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(judge_module.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match="dlib"):
        JudgeRecognizer()


def test_the_matrix_says_where_the_chip_was_cut():
    dlib = pytest.importorskip("dlib")
    rows, columns = np.mgrid[:200, :200]
    photo = np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8)  # every pixel holds its own place
    details = dlib.chip_details(dlib.drectangle(50, 60, 130, 140), dlib.chip_dims(150, 150), 0.3)
    chip = dlib.extract_image_chip(photo, details)[..., :2].astype(float)
    matrix = judge_module._chip_matrix(details)
    there = np.stack(np.meshgrid(np.arange(150), np.arange(150)), axis=-1)
    back = (there - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    assert np.all(np.abs(back - 0.5 - chip) <= 0.51)  # dlib drops the fraction


@pytest.mark.shared
def test_the_judge_knows_a_person_again(shared: Path, judge: JudgeRecognizer):
    detector = FaceDetector()

    def face(name: str):
        photo = read_image(shared / "data" / "portraits" / name)
        return judge.align(photo, select_face(detector.detect(photo)))

    names = ["portrait_10_astronaut.jpg", "rotated_exif6_astronaut.jpg", "portrait_09_tim-scott.jpg"]
    embeddings = judge.embed([face(name) for name in names])
    assert embeddings.vector.shape == (3, 128)
    distances = distance(embeddings, embeddings[0])
    assert distances[1] < 0.3
    assert distances[2] > 0.6
