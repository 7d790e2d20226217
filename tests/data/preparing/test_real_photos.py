"""With the real networks: the packaged person, who does not exist, goes through every stage."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.core.assets import asset_path
from limner.core.images import read_image, write_png
from limner.data.pools import open_pool
from limner.data.preparing.run import prepare
from limner.data.preparing.settings import AnalysisSettings, PrepareSettings
from limner.data.preparing.workbench import PhotoWorkbench
from limner.data.record import FaceRecord, read_shards
from limner.data.shard_index import ShardIndex
from limner.faces.parsing import ParsingLabel, region_mask
from limner.identity.recognition import GUIDE_SPACE

SETTINGS = PrepareSettings(analysis=AnalysisSettings(look_at_age=False))


def prepared(photos: Path, shards: Path) -> tuple[list[FaceRecord], dict[str, int]]:
    from functools import partial

    summary = prepare(photos, shards, SETTINGS, open_pool(partial(PhotoWorkbench, photos, SETTINGS), 1))
    return list(read_shards(shards)), summary.dropped


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One photo, its mirror image, a copy of less quality, two faces in one picture, none in another."""
    root = tmp_path_factory.mktemp("photos")
    photo = read_image(asset_path("example/person.jpg"))
    (root / "one").mkdir()
    shutil.copy(asset_path("example/person.jpg"), root / "one" / "photo.jpg")
    write_png(root / "one" / "mirrored.png", photo[:, ::-1])
    write_png(root / "one" / "small.png", cv2.resize(photo, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA))
    write_png(root / "one" / "pair.png", np.hstack([photo, photo[:, ::-1]]))
    write_png(root / "one" / "wall.png", np.full((300, 300, 3), 90, np.uint8))
    return root


def test_every_stage(photos: Path, tmp_path: Path) -> None:
    records, dropped = prepared(photos, tmp_path)
    assert dropped == {"copy of another photo": 1, "several faces": 1, "no face": 1}
    assert len(records) == 2
    for record in records:
        assert record.image.shape == (256, 256, 3)
        assert record.face_box is not None
        assert 160 < max(record.face_box[2:]) < 190  # the framing says 171; the photo ends a little earlier
        assert np.all((record.landmarks > 40) & (record.landmarks < 216))
        face = region_mask(record.labels, "face").astype(bool)
        assert 0.15 < face.mean() < 0.5
        assert record.labels[0, 0] == ParsingLabel.BACKGROUND or record.labels[0, 0] == ParsingLabel.HAIR
        assert record.quality is not None
        assert record.quality > 0.4
        assert np.isnan(record.age_years)
        assert record.caption
    assert float(records[0].embeddings[GUIDE_SPACE] @ records[1].embeddings[GUIDE_SPACE]) > 0.6


@pytest.mark.shared
@pytest.mark.slow
def test_photos_of_consenting_people(shared: Path, tmp_path: Path) -> None:
    """Ten people of the Face Research Lab London Set, neutral and smiling, as folders and all in one."""
    from limner.data.photo_sets import read_photos

    taken: dict[str, list[np.ndarray]] = {}
    for _, image, about in read_photos(shared / "data" / "london-set"):
        if len(taken) < 10 or about["identity"] in taken:
            taken.setdefault(about["identity"], []).append(image)
    for person, images in taken.items():
        for number, image in enumerate(images):
            write_png(tmp_path / "folders" / person / f"{number}.png", image)
            write_png(tmp_path / "flat" / f"{person}-{number}.png", image)
    total = sum(len(images) for images in taken.values())
    records, dropped = prepared(tmp_path / "folders", tmp_path / "out")
    assert (len(records), dropped) == (total, {})
    _, dropped = prepared(tmp_path / "flat", tmp_path / "out-flat")
    assert dropped == {}
    index = ShardIndex(tmp_path / "out-flat")
    assert len(index.people) == 10
    for numbers in index.people.values():
        assert len({index.entries[number].place.key.split("-")[1] for number in numbers}) == 1
