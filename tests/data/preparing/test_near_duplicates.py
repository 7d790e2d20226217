"""Copies are found whatever was done to the file; other pictures are not taken for copies."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from limner.core.assets import asset_path
from limner.core.images import read_image
from limner.data.preparing.near_duplicates import HASH_BITS, bits_apart, copies, perceptual_hash
from limner.data.preparing.settings import SelectionSettings
from tests.data.preparing.stubs import draw_photo

MOST = SelectionSettings().copy_bits


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return cv2.resize(read_image(asset_path("example/person.jpg")), (256, 256), interpolation=cv2.INTER_AREA)


def reencoded(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return read_image(buffer.getvalue())


def test_a_copy_that_was_encoded_resized_or_brightened_is_found(photo: np.ndarray) -> None:
    original = perceptual_hash(photo)
    versions = [
        reencoded(photo, 30),
        cv2.resize(cv2.resize(photo, (96, 96), interpolation=cv2.INTER_AREA), (256, 256)),
        np.clip(photo * 1.15 + 5, 0, 255).astype(np.uint8),
        np.ascontiguousarray(photo[2:-2, 2:-2]),
    ]
    assert [bits_apart(original, perceptual_hash(one)) <= MOST for one in versions] == [True] * 4


def test_another_picture_is_none(photo: np.ndarray) -> None:
    original = perceptual_hash(photo)
    others = [photo[:, ::-1], *(draw_photo(0, shot) for shot in range(5))]
    assert min(bits_apart(original, perceptual_hash(one)) for one in others) > 3 * MOST


def test_hashes_have_the_stated_number_of_bits(photo: np.ndarray) -> None:
    first = perceptual_hash(photo)
    assert bits_apart(first, first) == 0
    assert len(first) == 2 * -(-HASH_BITS // 8)


def test_the_first_of_its_kind_is_kept() -> None:
    assert copies(["00", "0f", "01", "0e"], most_bits=1) == [None, None, 0, 1]
    assert copies(["00", "01", "03"], most_bits=1) == [None, 0, None]
    assert copies([], most_bits=1) == []
