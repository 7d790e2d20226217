"""Marked, unmarked or broken: also when the metadata was stripped."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limner.core.errors import ImageError
from limner.core.images import read_image, write_png
from limner.trust.checking import check_picture
from limner.trust.keys import signing_keys
from limner.trust.making import Making
from limner.trust.marks import save_picture
from limner.trust.provenance import sign

MAKING = Making(kind="created", model="miniature")


@pytest.fixture
def marked(face: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "marked.png"
    save_picture(path, face, MAKING)
    return path


def test_a_photo_is_unmarked(face: np.ndarray, tmp_path: Path) -> None:
    write_png(tmp_path / "photo.png", face)
    verdict = check_picture(tmp_path / "photo.png")
    assert (verdict.status, verdict.manifest, verdict.watermark) == ("unmarked", None, None)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_without_metadata_the_watermark_remains(marked: Path, tmp_path: Path, suffix: str) -> None:
    Image.open(marked).convert("RGB").save(tmp_path / f"stripped.{suffix}", quality=80)
    verdict = check_picture(tmp_path / f"stripped.{suffix}")
    assert verdict.status == "marked"
    assert verdict.manifest is None
    assert verdict.watermark is not None


def test_a_changed_picture_is_broken(marked: Path, tmp_path: Path) -> None:
    data = bytearray(marked.read_bytes())
    start = data.find(b"caBX") - 4
    chunk = bytes(data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")])
    pixels = read_image(marked).copy()
    pixels[40:60, 40:60] = 0
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    other = stream.getvalue()
    (tmp_path / "forged.png").write_bytes(other[:33] + chunk + other[33:])
    verdict = check_picture(tmp_path / "forged.png")
    assert verdict.status == "broken"
    assert any("changed after it was signed" in problem for problem in verdict.problems)


def test_a_manifest_that_promises_another_watermark_is_broken(marked: Path, tmp_path: Path) -> None:
    pixels = io.BytesIO()
    Image.open(marked).save(pixels, format="PNG")
    promised = ("app.limner.spread-spectrum.1", 0x123456)
    (tmp_path / "other.png").write_bytes(
        sign(pixels.getvalue(), "image/png", MAKING, signing_keys(), watermark=promised)
    )
    verdict = check_picture(tmp_path / "other.png")
    assert verdict.status == "broken"
    assert "belongs to picture 123456" in verdict.problems[0]


def test_a_manifest_that_cannot_be_read_is_broken(marked: Path, tmp_path: Path) -> None:
    data = bytearray(marked.read_bytes())
    place = data.find(b"c2pa.assertions")
    data[place : place + 4] = b"\0\xff\0\xff"
    start = data.find(b"caBX")
    end = start + 4 + int.from_bytes(data[start - 4 : start], "big")
    data[end : end + 4] = zlib.crc32(data[start:end]).to_bytes(4, "big")
    (tmp_path / "spoilt.png").write_bytes(bytes(data))
    assert check_picture(tmp_path / "spoilt.png").status == "broken"


def test_no_picture_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("Dear reader")
    with pytest.raises(ImageError, match=r"letter\.png is not a picture"):
        check_picture(tmp_path / "letter.png")


def test_a_verdict_becomes_plain_values(marked: Path) -> None:
    told = check_picture(marked).as_json()
    assert told["status"] == "marked"
    assert told["manifest"]["making"]["model"] == "miniature"
    assert told["watermark"]["name"] == "app.limner.spread-spectrum.1"
