"""The protocol: whom, what and from which seeds."""

import pytest

from limner.core.errors import ConfigError
from limner.data.captions import WORDS
from limner.evaluation.protocol import PROTOCOLS, protocol_named
from tests.evaluation.examples import person


def test_every_wish_is_a_word_of_the_captions() -> None:
    for protocol in PROTOCOLS.values():
        for wish in protocol.wishes:
            assert all(value in WORDS[trait] for trait, value in wish.items())


def test_the_persons_gender_is_asked_for_too() -> None:
    wishes = PROTOCOLS["miniature"].wishes_for(person(0))
    assert {wish.gender for wish in wishes} == {"man"}
    assert len(wishes) == 6


def test_no_two_sentences_share_a_seed() -> None:
    rules = protocol_named("miniature", seeds=100)
    used = [
        rules.seed_of(who, wish) + number
        for who in range(30)
        for wish in range(len(rules.wishes))
        for number in range(rules.seeds)
    ]
    assert len(set(used)) == len(used)


def test_another_first_seed_gives_other_seeds() -> None:
    first, second = protocol_named("miniature"), protocol_named("miniature", first_seed=1)
    assert {first.seed_of(who, 0) for who in range(60)}.isdisjoint(second.seed_of(who, 0) for who in range(60))
    assert second.seed_of(59, 5) < 2**32 - 100


def test_changes_are_checked() -> None:
    assert protocol_named("miniature", people=3, steps=None).people == 3
    with pytest.raises(ConfigError, match="seeds"):
        protocol_named("miniature", seeds=1)
    with pytest.raises(ConfigError, match="known are miniature, ablation, quick"):
        protocol_named("nobody")
