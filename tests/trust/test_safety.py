"""Each rule refuses what it is for, and leaves alone what it is not for."""

import pytest

from limner.core.errors import RefusedError
from limner.trust import safety
from limner.trust.safety import Context, context_of

HARMLESS = [
    "a photo of a person, smiling",
    "a pencil drawing of an old woman in a snowsuit",
    "a portrait of a man from Essex, brass band behind him",
    "an analyst at a desk",
    "a grandmother with her children in the garden",
]


@pytest.mark.parametrize("prompt", HARMLESS)
def test_harmless_sentences_pass_every_rule(prompt: str) -> None:
    safety.refuse_explicit_words(prompt)
    safety.refuse_children_in_words(prompt)
    safety.refuse_apparent_minors(None, context_of(prompt))


@pytest.mark.parametrize(
    ("prompt", "word"), [("a NUDE person", "nude"), ("a man without  clothes", "without clothes"), ("nsfw,4k", "nsfw")]
)
def test_explicit_sentences_are_refused_by_the_word(prompt: str, word: str) -> None:
    with pytest.raises(RefusedError, match=f'"{word}"'):
        safety.refuse_explicit_words(prompt)


@pytest.mark.parametrize("score", [0.8, 0.99])
def test_explicit_pictures_are_refused(score: float) -> None:
    with pytest.raises(RefusedError, match="a photo that was given looks explicit"):
        safety.refuse_explicit_picture(score, "a photo that was given")


def test_other_pictures_pass() -> None:
    safety.refuse_explicit_picture(0.79, "a picture that was drawn")


@pytest.mark.parametrize("prompt", ["a girl in lingerie", "a 15-year-old in a bikini", "seductive 9 yo", "sexy teen"])
def test_children_in_unsafe_sentences_are_refused(prompt: str) -> None:
    with pytest.raises(RefusedError, match="names a minor"):
        safety.refuse_children_in_words(prompt)


@pytest.mark.parametrize("prompt", ["a 15-year-old in a raincoat", "a 45-year-old woman in a bikini", "a boy, smiling"])
def test_children_in_harmless_sentences_and_adults_pass(prompt: str) -> None:
    safety.refuse_children_in_words(prompt)


@pytest.mark.parametrize("context", [Context(("bikini",)), Context((), 0.2), Context((), 0.5)])
def test_apparent_minors_are_refused_where_it_is_unsafe(context: Context) -> None:
    with pytest.raises(RefusedError, match="may be a minor"):
        safety.refuse_apparent_minors([40.0, 20.9], context)
    with pytest.raises(RefusedError, match="no age could be estimated"):
        safety.refuse_apparent_minors(None, context)
    safety.refuse_apparent_minors([40.0, 21.0], context)
    safety.refuse_apparent_minors([], context)


def test_anybody_may_be_drawn_where_it_is_safe() -> None:
    safety.refuse_apparent_minors([9.0], Context((), 0.19))
    safety.refuse_apparent_minors(None, Context())
