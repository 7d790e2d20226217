"""A mixture lies between its people, and at the ends it is one of them."""

from datetime import date
from typing import Any

import pytest
import torch

from limner.core.consent import Consent
from limner.core.errors import ConfigError, FeatureSpaceError
from limner.identity.features import FaceFeatures
from limner.identity.identity import Identity
from limner.identity.mixing import mix

ANN = Consent(who="Ann", purpose="tests", until=date(2030, 1, 1))
BEN = Consent(who="Ben", purpose="tests", until=date(2031, 1, 1))


def person(seed: int, photos: int = 1, space: str = "a", **words: Any) -> Identity:
    rng = torch.Generator().manual_seed(seed)
    embedding = torch.randn(8, generator=rng)
    tokens = torch.randn(photos, 3, 4, generator=rng)
    features = FaceFeatures(space, embedding / embedding.norm(), 2.0 + seed, tokens, "cc0")
    return Identity({space: features}, torch.rand(photos, generator=rng), torch.zeros(photos, 3), **words)


def cosine(a: Identity, b: Identity) -> float:
    return float(a.features["a"].embedding @ b.features["a"].embedding)


def test_the_weights_say_whom_it_resembles() -> None:
    ann, ben = person(1, consent=ANN, licence="cc0"), person(2, consent=BEN, licence="cc0")
    middle, nearer = mix([ann, ben], [1, 1]), mix([ann, ben], [3, 1])
    assert cosine(middle, ann) == pytest.approx(cosine(middle, ben), abs=1e-5)
    assert cosine(nearer, ann) > cosine(middle, ann) > cosine(ann, ben)
    assert float(middle.features["a"].embedding.norm()) == pytest.approx(1)
    tokens = [one.features["a"].tokens for one in (ann, ben, nearer)]
    assert tokens[0] is not None
    assert tokens[1] is not None
    torch.testing.assert_close(tokens[2], 0.75 * tokens[0] + 0.25 * tokens[1])
    assert middle.licence == "cc0"
    assert middle.consent is not None
    assert (middle.consent.who, middle.consent.until) == ("Ann; Ben", ANN.until)
    assert middle.consent.numbers == {ANN.number, BEN.number}  # each of them can take it back
    assert mix([ann, ben], [2, 2]).features["a"].norm == middle.features["a"].norm


def test_one_person_alone_is_themselves() -> None:
    ann, ben = person(1, photos=2), person(2)
    assert mix([ann, ben], [0.4, 0]) is ann
    assert mix([ben], [1]) is ben


def test_better_photos_of_a_person_count_more() -> None:
    ann, ben = person(1, photos=2), person(2)
    object.__setattr__(ann, "quality", torch.tensor([0.9, 0.0]))
    mixed, tokens = mix([ann, ben], [1, 1]).features["a"].tokens, ann.features["a"].tokens
    assert mixed is not None
    assert tokens is not None
    assert ben.features["a"].tokens is not None
    torch.testing.assert_close(mixed[0], (tokens[0] + ben.features["a"].tokens[0]) / 2, atol=5e-3, rtol=0)


def test_a_mixture_can_be_saved(tmp_path: object) -> None:
    path = f"{tmp_path}/both.safetensors"
    mixed = mix([person(1, photos=2), person(2)], [1, 1])
    mixed.save(path)
    again = Identity.load(path)
    assert again.origin == "mixed of an unnamed origin; an unnamed origin"
    assert torch.equal(again.features["a"].embedding, mixed.features["a"].embedding)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, float("nan")], [1, float("inf")]])
def test_weights_out_of_range_are_refused(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="2 people were given and the weights"):
        mix([person(1), person(2)], weights)


def test_people_without_a_common_space_are_refused() -> None:
    with pytest.raises(FeatureSpaceError, match="no feature space in common"):
        mix([person(1), person(2, space="b")], [1, 1])


@pytest.mark.parametrize(("both", "mixed"), [((True, None), True), ((True, False), None), ((None, None), None)])
def test_a_mixture_wears_glasses_where_nobody_says_otherwise(both: tuple[bool | None, ...], mixed: bool | None) -> None:
    assert mix([person(n, glasses=wears) for n, wears in enumerate(both, start=1)], [1, 1]).glasses is mixed
