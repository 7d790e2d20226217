"""The watermark is found after what happens to pictures, is not seen, and is not found where none is."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.core.assets import asset_path
from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.trust.spread import SpreadSpectrum

MARK = SpreadSpectrum()
PHOTO = read_image(asset_path("example/person.jpg"))
PINNED = [-0.0044030374195658676, -0.027192785588717117, -0.04350133654555102]
NUMBER = 0xA3F09C


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("pixels", [128, 256])
def test_it_survives_compression_and_halving_and_is_not_seen(face: np.ndarray, pixels: int) -> None:
    image = resized(face, pixels, pixels)
    before = image.copy()
    marked = MARK.embed(image, NUMBER)
    assert (image == before).all()
    assert marked.dtype == np.uint8
    assert psnr(marked, image) >= 40
    assert MARK.read(marked) == NUMBER
    assert MARK.read(jpeg(marked, 80)) == NUMBER
    assert MARK.read(resized(marked, pixels // 2, pixels // 2)) == NUMBER


def test_it_survives_another_shape(face: np.ndarray) -> None:
    marked = MARK.embed(resized(face, 200, 320), NUMBER)
    assert MARK.read(resized(marked, 150, 150)) == NUMBER


def test_the_same_picture_and_number_give_the_same_pixels(face: np.ndarray) -> None:
    marked = MARK.embed(face, NUMBER)
    assert (marked == MARK.embed(face, NUMBER)).all()
    assert (marked != MARK.embed(face, NUMBER + 1)).any()


def test_the_patterns_are_those_of_every_released_version() -> None:
    """Were they to change, pictures marked before could not be read any more."""
    masks = repr(MARK._masks).encode()
    assert hashlib.sha256(masks).hexdigest()[:16] == "b659023d8a04cddc"
    np.testing.assert_allclose(MARK._patterns[[0, 5, 95], [0, 700, -1]], PINNED, atol=1e-9)


def test_other_pictures_hold_nothing(face: np.ndarray) -> None:
    generator = np.random.default_rng(3)
    noise = [generator.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(300)]
    assert [MARK.read(one) for one in noise].count(None) >= 299
    assert MARK.read(face) is None
    assert MARK.false_alarm <= 1e-3


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_picture_holds_nothing(value: int) -> None:
    assert MARK.read(np.full((100, 100, 3), value, np.uint8)) is None


@settings(max_examples=20, deadline=None)
@given(height=st.integers(72, 200), width=st.integers(72, 200), number=st.integers(0, 2**24 - 1))
def test_pictures_of_any_shape_from_72_px_can_be_marked(height: int, width: int, number: int) -> None:
    image = resized(PHOTO, height, width)
    marked = MARK.embed(image, number)
    assert psnr(marked, image) >= 40
    assert MARK.read(marked) == number


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 400), (40, 60), (64, 64)])
def test_smaller_ones_do_no_harm(height: int, width: int) -> None:
    image = resized(PHOTO, height, width)
    marked = MARK.embed(image, NUMBER)
    assert marked.shape == image.shape
    assert MARK.read(marked) in (None, NUMBER)


@pytest.mark.parametrize("number", [-1, 2**24])
def test_too_large_a_number_is_refused(face: np.ndarray, number: int) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 16777215"):
        MARK.embed(face, number)
