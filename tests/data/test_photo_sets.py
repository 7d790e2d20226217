"""Packed photo sets: what is taken from the facts, what from the measurer, what is left out."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.core.errors import InputError
from limner.data.measuring import MeasuredFace
from limner.data.photo_sets import read_photos, records_of_set
from limner.data.record import FaceRecord
from limner.data.synthetic_people import PIXELS
from tests.data.examples import measured, picture


class FakeMeasurer:
    """A woman of 40 in every picture, except in black ones."""

    def measure(self, image: np.ndarray) -> MeasuredFace | None:
        assert image.shape == (PIXELS, PIXELS, 3)
        return measured(years=40, male=0.25) if image.any() else None


def pack(folder: Path, *photos: tuple[str, np.ndarray, dict[str, Any]], name: str = "set-000.tar") -> Path:
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / name, "w") as tar:
        for key, image, facts in photos:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "JPEG")
            for ending, content in ((".jpg", buffer.getvalue()), (".json", json.dumps(facts).encode())):
                member = tarfile.TarInfo(key + ending)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder


def photo(key: str, *, identity: str = "p1", **attributes: Any) -> tuple[str, np.ndarray, dict[str, Any]]:
    return key, picture(0, 64), {"identity": identity, "attributes": attributes}


def records(folder: Path) -> list[FaceRecord]:
    measurer: Any = FakeMeasurer()
    return list(records_of_set(folder, measurer, split="validation"))


def test_a_record_of_a_photo(tmp_path: Path) -> None:
    (made,) = records(pack(tmp_path / "faces", photo("a.b", age=31, gender="male")))
    assert (made.key, made.person, made.source, made.split) == ("faces-a_b", "faces-p1", "faces", "validation")
    assert made.image.shape == (PIXELS, PIXELS, 3)
    assert (made.age_years, made.male) == (31.0, 1.0)


@pytest.mark.parametrize(
    ("stated", "years", "male"),
    [
        ({}, 40, 0.25),
        ({"age": None, "gender": None}, 40, 0.25),
        ({"age": "NA", "gender": ""}, 40, 0.25),
        ({"age": "30-39", "gender": "unknown"}, 40, 0.25),
        ({"age": "52", "gender": "Female"}, 52, 0.0),
        ({"age": 20, "gender": "M"}, 20, 1.0),
    ],
)
def test_what_is_stated_goes_before_what_is_guessed(
    tmp_path: Path, stated: dict[str, Any], years: float, male: float
) -> None:
    (made,) = records(pack(tmp_path / "faces", photo("a", **stated)))
    assert (made.age_years, made.male) == (years, male)


def test_grey_pictures_minors_and_pictures_without_a_face_are_left_out(tmp_path: Path) -> None:
    black = ("c", np.zeros((64, 64, 3), np.uint8), {"identity": "p3", "attributes": {}})
    bare = ("e", picture(1, 64), {"identity": "p5"})
    folder = pack(tmp_path / "faces", photo("a", gray=True), photo("b", age=19), black, photo("d", identity="p4"), bare)
    assert [made.person for made in records(folder)] == ["faces-p4", "faces-p5"]


def test_all_tars_of_a_set_are_read_in_order(tmp_path: Path) -> None:
    for name, key in (("set-001.tar", "second"), ("set-000.tar", "first")):
        pack(tmp_path / "faces", photo(key), name=name)
    assert [key for key, _, _ in read_photos(tmp_path / "faces")] == ["first", "second"]


def test_a_folder_that_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no photo set; give a folder with tars"):
        records(tmp_path)
    with pytest.raises(InputError, match="holds no photo set"):
        records(tmp_path / "missing")


@pytest.mark.parametrize("case", ["no tar", "odd", "swapped"])
def test_a_tar_of_another_layout_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "a.tar"
    if case == "no tar":
        path.write_text("hello")
    else:
        (tmp_path / "a.json").write_text("{}")
        with tarfile.open(path, "w") as tar:
            for _ in range(1 if case == "odd" else 2):
                tar.add(tmp_path / "a.json", "a.json")
    with pytest.raises(InputError, match=r"a\.tar is not a tar of KEY\.jpg and KEY\.json in turn"):
        records(tmp_path)
