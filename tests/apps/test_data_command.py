"""``limner data``: what is missing is said before any work; with fakes in the networks' places the commands run."""

import json
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from limner.core.errors import MissingExtraError
from limner.data.measuring import PictureMeasurer
from limner.data.record import read_shards
from tests.apps.conftest import Exits
from tests.data.examples import FakeGenerator, directions, measured, picture


@pytest.fixture
def run(command: Exits, monkeypatch: pytest.MonkeyPatch) -> Exits:
    # The optional package need not be installed for these tests.
    monkeypatch.setattr(PictureMeasurer, "require_packages", lambda self: None)
    monkeypatch.setattr(PictureMeasurer, "measure", lambda self, image: measured())
    return partial(command, "data")


@pytest.fixture
def edits(tmp_path: Path) -> Path:
    along = directions()
    arrays: dict[str, Any] = {"mu": along.mean.numpy()}
    for name, unit in along.unit.items():
        arrays |= {f"d_{name}": unit.numpy(), f"s_{name}": np.float64(along.deviation[name])}
    np.savez(tmp_path / "directions.npz", **arrays)
    return tmp_path / "directions.npz"


def photo_set(folder: Path) -> Path:
    folder.mkdir()
    Image.fromarray(picture(0, 64)).save(folder / "a.jpg")
    (folder / "a.json").write_text(json.dumps({"identity": "p1", "attributes": {}}))
    with tarfile.open(folder / "set.tar", "w") as tar:
        tar.add(folder / "a.jpg", "a.jpg")
        tar.add(folder / "a.json", "a.json")
    return folder


def test_a_folder_without_the_generator_says_how_to_get_it(run: Exits, tmp_path: Path, edits: Path) -> None:
    code, _, errors = run(
        "synthesize", "-o", tmp_path / "out", "--generator", tmp_path / "empty", "--directions", edits
    )
    assert code == 2
    assert "MappingNetwork.xml, MappingNetwork.bin, SynthesisNetwork.xml, SynthesisNetwork.bin" in errors
    assert "pip download --no-deps random-face==2021.7.21.1 && unzip" in errors
    assert not (tmp_path / "out").exists()


def test_missing_directions_are_refused(run: Exits, tmp_path: Path) -> None:
    code, _, errors = run(
        "synthesize", "-o", tmp_path / "out", "--generator", tmp_path, "--directions", tmp_path / "no.npz"
    )
    assert code == 2
    assert "no.npz holds no edit directions" in errors


def test_the_missing_package_is_told_before_anything_is_drawn(
    run: Exits, tmp_path: Path, edits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: PictureMeasurer) -> None:
        raise MissingExtraError("age and gender need other packages")

    monkeypatch.setattr(PictureMeasurer, "require_packages", missing)
    monkeypatch.setattr("limner.data.face_generator.FaceGenerator", lambda folder: FakeGenerator())
    code, _, errors = run("synthesize", "-o", tmp_path / "out", "--generator", tmp_path, "--directions", edits)
    assert code == 2
    assert "need other packages" in errors
    assert not (tmp_path / "out").exists()
    code, _, errors = run("import", photo_set(tmp_path / "faces"), "-o", tmp_path / "out")
    assert code == 2
    assert "need other packages" in errors


def test_synthesize(run: Exits, tmp_path: Path, edits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.data.face_generator.FaceGenerator", lambda folder: FakeGenerator())
    options = ("synthesize", "-o", tmp_path / "out", "--generator", tmp_path, "--directions", edits, "--workers", 1)
    code, output, _ = run(*options, "--people", 2, "--pictures", 2)
    assert code == 0
    assert "kept: 4, too young: 0, another person: 0, no face: 0" in output
    assert len(list(read_shards(tmp_path / "out" / "shards"))) == 4
    for division in ("gender", "age", "skin tone"):
        assert division in output
    assert "100%" in output
    card = json.loads((tmp_path / "out" / "shards" / "card.json").read_text())
    assert (card["pictures"], card["settings"]) == (4, {"people": 2, "pictures": 2, "seed": 1})
    code, _, errors = run(*options, "--people", 2, "--pictures", 2, "--seed", 9)
    assert code == 2
    assert "choose another folder" in errors


def test_synthesize_in_half_precision(run: Exits, tmp_path: Path, edits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = FakeGenerator()
    monkeypatch.setattr("limner.data.face_generator.FaceGenerator", lambda folder: generator)
    options = ("synthesize", "-o", tmp_path / "out", "--generator", tmp_path, "--directions", edits)
    options += ("--people", 1, "--workers", 1)
    assert run(*options, "--precision", "bfloat16")[0] == 0
    assert next(generator.blocks.buffers()).dtype == torch.bfloat16
    code, _, errors = run(*options, "--precision", "int4")
    assert code == 2
    assert "float32" in errors


def test_import_keeps_what_is_there(run: Exits, tmp_path: Path) -> None:
    folder, out = photo_set(tmp_path / "faces"), tmp_path / "out"
    code, output, _ = run("import", folder, "-o", out, "--split", "validation")
    assert code == 0
    assert "faces" in output
    (record,) = read_shards(out)
    assert (record.split, record.source) == ("validation", "faces")
    assert "kept" in run("import", folder, "-o", out)[1]


def test_a_folder_without_photos_is_refused_and_leaves_no_shard(run: Exits, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, errors = run("import", tmp_path / "empty", "-o", tmp_path / "out")
    assert code == 2
    assert "holds no photo set" in errors
    assert list((tmp_path / "out").iterdir()) == []


def test_a_split_nobody_reads_is_refused(run: Exits, tmp_path: Path) -> None:
    code, _, errors = run("import", tmp_path, "-o", tmp_path / "out", "--split", "val")
    assert code == 2
    assert "train" in errors
    assert "validation" in errors
