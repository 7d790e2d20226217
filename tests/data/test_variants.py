"""The two variants of a record: as it is, and mirrored with edits that its traits tell of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from limner.data import variants
from limner.data.art import BACKGROUND_COLOURS, STYLES
from limner.data.captions import Traits
from limner.data.variants import NUM_VARIANTS, mirrored_traits, variants_of
from limner.faces.parsing import ParsingLabel
from tests.data.examples import NUMBERS, labels_of, record

TURNED = record(numbers=replace(NUMBERS, yaw=20.0, light_from_left=1.5))


def made(seed: int = 0, one=TURNED, pixels: int = 64) -> list[variants.Variant]:
    return variants_of(one, pixels=pixels, rng=torch.Generator().manual_seed(seed))


@pytest.fixture
def no_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "BACKGROUND_SHARE", 0.0)
    monkeypatch.setattr(variants, "STYLE_SHARE", 0.0)


def test_shapes_and_ranges() -> None:
    for variant in made():
        assert (variant.picture.shape, variant.picture.dtype) == ((64, 64, 3), np.uint8)
        assert (variant.face_mask.shape, variant.face_mask.dtype) == ((64, 64), np.float32)
        assert set(np.unique(variant.face_mask)) == {0.0, 1.0}
    assert len(made()) == NUM_VARIANTS


@pytest.mark.usefixtures("no_edits")
def test_without_edits_the_second_is_the_mirror_image() -> None:
    aside = np.roll(TURNED.labels, 20, axis=1)
    plain, mirror = made(one=replace(TURNED, labels=aside))
    assert not np.array_equal(plain.face_mask, mirror.face_mask)
    assert np.array_equal(plain.picture[:, ::-1], mirror.picture)
    assert np.array_equal(plain.face_mask[:, ::-1], mirror.face_mask)
    assert (plain.traits.direction, plain.traits.light) == ("right", "left")
    assert mirror.traits == replace(plain.traits, direction="left", light="right")


def test_mirrored_twice_is_the_same() -> None:
    for traits in (Traits(direction="left", light="right"), Traits(direction="front", light="warm"), Traits()):
        assert mirrored_traits(mirrored_traits(traits)) == traits
    assert mirrored_traits(Traits(direction="front", light="warm")) == Traits(direction="front", light="warm")


def test_the_mask_is_the_face_and_a_little_more() -> None:
    face = labels_of(64) == ParsingLabel.SKIN
    mask = made()[0].face_mask == 1
    assert mask[face].all()
    grown = 32 // 20  # a twentieth of the face's side
    assert mask.sum() == (32 + 2 * grown) ** 2


def test_edits_come_in_their_shares_and_are_said() -> None:
    edited = [made(seed, pixels=32)[1].traits for seed in range(300)]
    assert {traits.style for traits in edited} == {*STYLES, "photo"}
    coloured = {traits.background for traits in edited}
    assert len(coloured & set(BACKGROUND_COLOURS)) == len(BACKGROUND_COLOURS)
    styled = sum(traits.style != "photo" for traits in edited) / len(edited)
    assert abs(styled - variants.STYLE_SHARE) < 0.08
    for traits in edited:
        if traits.style in ("pencil", "monochrome", "sepia"):
            assert (traits.background, traits.hair, traits.light) == (None, None, None)
        elif traits.style != "photo":
            assert traits.light is None
    assert all(made(seed, pixels=32)[0].traits == made(0)[0].traits for seed in range(10))


def test_the_same_generator_gives_the_same_variants() -> None:
    for one, same in zip(made(4), made(4), strict=True):
        assert np.array_equal(one.picture, same.picture)
        assert one.traits == same.traits
