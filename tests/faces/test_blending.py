"""What is laid into a picture ends where its region ends, and meets its colours there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.faces.blending import feathered, match_seam


def disc(side: int = 64, radius: float = 20) -> np.ndarray:
    rows, columns = np.ogrid[:side, :side]
    return np.hypot(rows - side / 2, columns - side / 2) < radius


@given(st.integers(0, 2**32 - 1), st.floats(0, 12))
def test_opacity_is_nothing_outside_and_something_on_every_pixel_inside(seed: int, width: float) -> None:
    region = np.random.default_rng(seed).random((23, 31)) > 0.4
    opacity = feathered(region, width)
    assert opacity.shape == region.shape
    assert (opacity[~region] == 0).all()
    assert (opacity[region] > 0).all()
    assert opacity.max() <= 1


def test_opacity_rises_inwards_and_a_region_may_touch_the_edge() -> None:
    opacity = feathered(disc(), 10)
    assert opacity[32, 32] == 1
    assert (np.diff(opacity[32, 32:54]) <= 0).all()
    assert 0 < opacity[32, 50] < 0.2
    assert (feathered(np.ones((9, 9), bool), 5) == 1).all()


def test_colours_meet_at_the_seam() -> None:
    rng = np.random.default_rng(0)
    region = disc()
    original = np.full((64, 64, 3), (180, 140, 120), np.uint8)
    texture = rng.integers(-6, 7, (64, 64, 3))
    # Too dark on the left and too green everywhere: what a neighbouring pixel of the picture shows must win.
    shade = np.linspace(-40, 0, 64)[None, :, None] + np.array([0, 15, 0])
    drawn = np.where(region[..., None], original + texture + shade, original).clip(0, 255).astype(np.uint8)
    rim = region & ~disc(radius=17)

    def error(picture: np.ndarray) -> float:
        return float(np.abs(picture[rim].astype(float).mean(axis=0) - original[rim].mean(axis=0)).max())

    matched = match_seam(drawn, original, region)
    assert error(drawn) > 7
    assert error(matched) < 0.6 * error(drawn)
    inner = disc(radius=10)
    detail = drawn[inner].astype(float) - matched[inner]
    assert np.ptp(detail, axis=0).max() < 15  # the shift varies slowly: the texture of +-6 is still there
    assert matched[inner].std() > 3


@pytest.mark.parametrize("region", [np.zeros((16, 16), bool), np.ones((16, 16), bool)])
def test_without_a_border_nothing_is_shifted(region: np.ndarray) -> None:
    drawn = np.full((16, 16, 3), 9, np.uint8)
    assert match_seam(drawn, drawn + 50, region) is drawn
