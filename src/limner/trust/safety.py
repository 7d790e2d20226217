"""The rules of what is refused, one small function each. They get numbers and words, never open a model or a file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limner.core.errors import RefusedError

Where = Literal["a photo that was given", "a picture that was drawn"]

EXPLICIT_SCORE = 0.8
"""Refused whoever it shows; the makers of the classifier call this surely explicit."""
SUGGESTIVE_SCORE = 0.2
"""From here on a context is unsafe for minors; below it the makers call a picture surely harmless."""
ADULT_AGE = 21.0
"""Who looks younger counts as a minor: three years above the law's 18, since estimates of age are off by some years."""

EXPLICIT_WORDS = (
    *("nude", "nudes", "nudity", "naked", "porn", "porno", "pornographic", "nsfw", "hentai", "sex", "sexual", "erotic"),
    *("genitals", "genitalia", "penis", "vagina", "nipple", "nipples", "topless", "bottomless", "undressed"),
    *("masturbating", "masturbation", "orgasm", "blowjob", "fetish", "bdsm", "without clothes", "no clothes"),
)
SUGGESTIVE_WORDS = (
    *("sexy", "seductive", "sensual", "lingerie", "underwear", "panties", "bra", "bikini", "swimsuit", "thong"),
    *("bathing", "shower", "in bed", "on a bed", "provocative", "cleavage", "stripping", "pin-up", "kinky", "lolita"),
)
CHILD_WORDS = (
    *("child", "children", "kid", "kids", "toddler", "baby", "infant", "minor", "underage", "teen", "teens"),
    *("teenager", "preteen", "schoolgirl", "schoolboy", "boy", "girl", "loli", "shota", "lolita"),
)
_AGE = re.compile(r"\b(\d{1,2})[\s-]*(?:years?|yrs?|yo|y/o)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Context:
    """What makes a picture unsafe for some people.

    Attributes:
        words: of the sentence that are suggestive.
        score: of the explicit-content classifier, None if no picture was seen yet.
    """

    words: tuple[str, ...] = ()
    score: float | None = None

    @property
    def unsafe(self) -> bool:
        """Whether minors may not be in it."""
        return bool(self.words) or (self.score is not None and self.score >= SUGGESTIVE_SCORE)


def context_of(prompt: str, score: float | None = None) -> Context:
    """The context of a sentence and of a picture's score."""
    return Context(_words_in(prompt, SUGGESTIVE_WORDS), score)


def refuse_explicit_words(prompt: str) -> None:
    """Refuse a sentence that asks for nudity or sex.

    Raises:
        RefusedError: it does; the message names the word.
    """
    if found := _words_in(prompt, EXPLICIT_WORDS):
        raise RefusedError(
            f'the sentence asks for explicit content ("{found[0]}"); Limner does not draw that, reword it'
        )


def refuse_explicit_picture(score: float, where: Where) -> None:
    """Refuse a picture with nudity or sex.

    Args:
        score: of the classifier, 0 to 1.
        where: which picture.

    Raises:
        RefusedError: it reaches ``EXPLICIT_SCORE``.
    """
    if score >= EXPLICIT_SCORE:
        raise RefusedError(
            f"{where} looks explicit (score {score:.2f}, refused from {EXPLICIT_SCORE:g}); use another one"
        )


def refuse_children_in_words(prompt: str) -> None:
    """Refuse a sentence that names a minor in an unsafe context, whoever is drawn.

    Raises:
        RefusedError: it does.
    """
    ages = [int(age) for age in _AGE.findall(prompt)]
    child = _words_in(prompt, CHILD_WORDS) or [f"{age} years" for age in ages if age < 18]
    unsafe = _words_in(prompt, SUGGESTIVE_WORDS + EXPLICIT_WORDS)
    if child and unsafe:
        raise RefusedError(f'the sentence names a minor ("{child[0]}") in an unsafe context ("{unsafe[0]}"); reword it')


def refuse_apparent_minors(ages: Sequence[float] | None, context: Context) -> None:
    """Refuse people who look like minors in an unsafe context.

    Args:
        ages: apparent ages in years of everybody in the picture; None if they could not be estimated.
        context: see :class:`Context`.

    Raises:
        RefusedError: somebody looks younger than ``ADULT_AGE`` there, or nobody can tell.
    """
    if not context.unsafe:
        return
    why = f'the sentence says "{context.words[0]}"' if context.words else f"score {context.score:.2f}"
    if ages is None:
        raise RefusedError(
            f"this context ({why}) is only for adults, and no age could be estimated; reword the sentence, or make the "
            "identity again from photos where the age estimator is installed"
        )
    if min(ages, default=ADULT_AGE) < ADULT_AGE:
        raise RefusedError(f"somebody in the picture may be a minor, and the context is not for minors ({why})")


def _words_in(prompt: str, words: Sequence[str]) -> tuple[str, ...]:
    text = " ".join(re.findall(r"[\w'-]+", prompt.casefold()))
    return tuple(word for word in words if re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text))
