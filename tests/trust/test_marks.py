"""What the save helper leaves behind."""

import json
from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.trust.audit import audit_path, read_log
from limner.trust.checking import check_picture
from limner.trust.making import Making
from limner.trust.marks import mark_picture, picture_number, save_picture
from limner.trust.settings import TrustSettings

MAKING = Making(kind="created", model="miniature", parameters={"seed": 7})


def settings(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trust.toml").write_text(text)


def test_a_saved_picture_carries_both_marks_and_stands_in_the_log(face: np.ndarray, tmp_path: Path) -> None:
    marked = save_picture(tmp_path / "new" / "a.png", face, MAKING)
    verdict = check_picture(tmp_path / "new" / "a.png")
    assert verdict.status == "marked"
    assert verdict.manifest is not None
    assert verdict.watermark is not None
    assert verdict.manifest.making == MAKING
    assert verdict.watermark.number == marked.number == f"{picture_number(face, MAKING):06x}"
    line = read_log()[-1]
    assert (line["event"], line["number"], line["off"]) == ("picture", marked.number, [])


def test_the_same_picture_has_the_same_pixels_and_another_manifest(face: np.ndarray) -> None:
    first, again = mark_picture(face, MAKING), mark_picture(face, MAKING)
    assert (read_image(first.data) == read_image(again.data)).all()
    assert first.number == again.number
    pixels = [data[data.find(b"IDAT") :] for data in (first.data, again.data)]
    assert pixels[0] == pixels[1]
    assert first.data != again.data
    other = mark_picture(face, MAKING.model_copy(update={"parameters": {"seed": 8}}))
    assert other.number != first.number


@pytest.mark.parametrize("off", ["manifest", "watermark"])
def test_a_mark_is_switched_off_by_a_line_in_a_file_and_that_is_logged(
    face: np.ndarray, tmp_path: Path, own_data_folder: Path, off: str
) -> None:
    settings(own_data_folder, f"{off} = false\n")
    save_picture(tmp_path / "a.png", face, MAKING)
    verdict = check_picture(tmp_path / "a.png")
    assert (verdict.manifest is None, verdict.watermark is None) == (off == "manifest", off == "watermark")
    assert verdict.status == "marked"
    assert read_log()[-1]["off"] == [off]


def test_settings_are_all_on_and_a_wrong_one_is_refused(
    own_data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TrustSettings.current().off == []
    settings(own_data_folder, "watermarks = false\n")
    with pytest.raises(ConfigError, match="watermarks"):
        TrustSettings.current()
    monkeypatch.setenv("LIMNER_TRUST_SETTINGS", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match=r"none\.toml"):
        TrustSettings.current()


def test_the_log_holds_no_picture(face: np.ndarray) -> None:
    mark_picture(face, MAKING)
    assert all(len(line) < 600 for line in audit_path().read_text().splitlines())
    assert set(json.loads(audit_path().read_text())) == {"when", "event", "number", "kind", "model", "off", "before"}


@pytest.mark.parametrize(("share", "held"), [(0.3, False), (1.0, True)])
def test_a_region_where_the_watermark_would_show_gets_none(share: float, held: bool) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(60, 190, (8, 8, 3), np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    region = np.zeros(image.shape[:2], bool)
    region[: round(share * len(region))] = True
    marked = mark_picture(image, Making(kind="composite", model="m"), region=region)
    pixels = read_image(marked.data)
    assert np.array_equal(pixels[~region], image[~region])
    assert (pixels != image).any() == held
