"""Picture edits: shapes, determinism, and that each does what its word says."""

import numpy as np
import pytest
import torch

from limner.data.art import BACKGROUND_COLOURS, STYLES, exchange_background
from limner.data.captions import WORDS
from tests.data.examples import picture


def test_every_style_and_colour_has_words() -> None:
    assert {*STYLES, "photo"} == set(WORDS["style"])
    assert {*BACKGROUND_COLOURS, "busy"} == set(WORDS["background"])


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_a_deterministic_filter_of_the_same_size(style: str) -> None:
    image = picture(0, 64)
    before = image.copy()
    made = STYLES[style](image)
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, STYLES[style](image))
    assert np.array_equal(image, before)
    assert np.abs(made.astype(int) - image).mean() > 5


def test_no_two_styles_look_the_same() -> None:
    made = [style(picture(0, 64)).astype(int) for style in STYLES.values()]
    for index, one in enumerate(made):
        assert all(np.abs(one - other).mean() > 5 for other in made[index + 1 :])


@pytest.mark.parametrize("style", ["pencil", "monochrome"])
def test_grey_styles_are_grey(style: str) -> None:
    made = STYLES[style](picture(0, 64))
    assert np.array_equal(made[..., 0], made[..., 1])
    assert np.array_equal(made[..., 0], made[..., 2])


def test_colours_go_where_they_should() -> None:
    image = picture(0, 64)
    red, green, blue = STYLES["sepia"](image).reshape(-1, 3).mean(axis=0)
    assert red > green > blue
    assert len(np.unique(STYLES["poster"](np.full((64, 64, 3), 100, np.uint8)))) == 1
    assert STYLES["watercolour"](image).min() >= 78
    flat = np.full((64, 64, 3), (200, 120, 100), np.uint8)
    assert np.ptp(STYLES["oil"](flat).reshape(-1, 3).mean(axis=0)) > np.ptp(flat[0, 0])  # stronger colours
    assert STYLES["pencil"](np.full((64, 64, 3), 128, np.uint8)).min() > 220  # no lines on a flat picture


@pytest.mark.parametrize("colour", BACKGROUND_COLOURS)
def test_the_person_stays_and_the_wall_has_the_colour(colour: str) -> None:
    image, mask = picture(1, 128), np.zeros((128, 128), np.float32)
    mask[32:96, 32:96] = 1
    made = exchange_background(image, mask, colour, torch.Generator().manual_seed(0))
    assert made.dtype == np.uint8
    assert np.array_equal(made[40:88, 40:88], image[40:88, 40:88])
    wall = made[mask == 0].reshape(-1, 3)[::7]
    distance = np.abs(np.median(wall, axis=0) - BACKGROUND_COLOURS[colour])
    assert distance.max() < 25


def test_the_same_generator_gives_the_same_wall_and_another_another() -> None:
    image, mask = picture(1, 64), np.zeros((64, 64), np.float32)
    one, same, other = (
        exchange_background(image, mask, "blue", torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
