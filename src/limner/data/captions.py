"""The attribute grammar: measured numbers -> traits -> a sentence, with synonyms and left-out parts.

The grammar is open: a sentence may name any subset of the traits in any of the listed words, and words outside of it
appear in training as noise, so that they do no harm.
"""

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from limner.data.attributes import Measurements
from limner.faces.parsing import wears_glasses

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "style": {
        "photo": ("a photo of", "a portrait of", "a photograph of", "a picture of"),
        "pencil": ("a pencil drawing of", "a pencil sketch of"),
        "oil": ("an oil painting of", "a painting of"),
        "monochrome": ("a black and white photo of", "a monochrome portrait of"),
        "sepia": ("a sepia photo of", "an old photo of"),
        "poster": ("a pop art poster of", "a poster of"),
        "watercolour": ("a watercolour of", "a watercolor painting of"),
    },
    "age": {
        "young": ("young", "youthful"),
        "middle": ("middle-aged",),
        "old": ("old", "elderly", "senior"),
    },
    "gender": {"man": ("man", "gentleman", "male person"), "woman": ("woman", "lady", "female person")},
    "expression": {
        "laughing": ("laughing", "with an open smile", "happy"),
        "smiling": ("smiling", "with a smile", "cheerful"),
        "serious": ("serious", "with a neutral expression", "not smiling"),
    },
    "direction": {
        "left": ("looking to the left", "turned to the left"),
        "right": ("looking to the right", "turned to the right"),
        "front": ("looking at the camera", "facing forward"),
    },
    "tilt": {"up": ("looking up",), "down": ("looking down",)},
    "glasses": {"yes": ("with glasses", "wearing glasses"), "no": ("without glasses",)},
    "hat": {"yes": ("with a hat", "wearing a hat")},
    "hair": {
        "black": ("black hair",),
        "brown": ("brown hair",),
        "blond": ("blond hair", "blonde hair", "fair hair"),
        "grey": ("grey hair", "gray hair", "white hair"),
        "red": ("red hair", "ginger hair"),
        "bald": ("bald", "no hair"),
    },
    "length": {"long": ("long hair",), "short": ("short hair",)},
    "background": {
        colour: (f"{colour} background", f"in front of a {colour} wall")
        for colour in ("white", "grey", "black", "blue", "green", "red", "yellow", "brown", "pink", "purple")
    }
    | {"busy": ("busy background", "outdoors")},
    "light": {
        "bright": ("bright light", "well lit"),
        "dim": ("dim light", "dark picture"),
        "left": ("light from the left",),
        "right": ("light from the right",),
        "warm": ("warm light",),
        "cold": ("cold light",),
    },
}
"""Trait -> value -> the words for it; the first one is canonical."""


@dataclass(frozen=True)
class Traits:
    """Discrete description of one picture; ``None`` where nothing is said."""

    style: str = "photo"
    age: str | None = None
    gender: str | None = None
    expression: str | None = None
    direction: str | None = None
    tilt: str | None = None
    glasses: str | None = None
    hat: str | None = None
    hair: str | None = None
    length: str | None = None
    background: str | None = None
    light: str | None = None


def describe(numbers: Measurements, *, age_years: float, male: float) -> Traits:
    """Traits of a plain photo. ``male`` is the probability in [0, 1]; between 0.3 and 0.7 the gender stays unsaid."""
    return Traits(
        age="young" if age_years < 33 else "old" if age_years >= 58 else "middle" if age_years >= 42 else None,
        gender="man" if male > 0.7 else "woman" if male < 0.3 else None,
        expression=expression_of(numbers),
        direction=direction_of(numbers),
        tilt="up" if numbers.pitch > 9 else "down" if numbers.pitch < -9 else None,
        glasses={True: "yes", False: "no", None: None}[wears_glasses(numbers.glasses)],
        hat="yes" if numbers.hat > 0.15 else None,
        hair=hair_of(numbers),
        length="long" if numbers.hair_below_chin > 0.12 else "short" if numbers.hair_below_chin < 0.01 else None,
        background=background_of(numbers),
        light=light_of(numbers),
    )


def expression_of(numbers: Measurements) -> str | None:
    """Smile thresholds from the histogram of 600 generated pictures; the band between them stays unsaid."""
    if numbers.smile > 0.34:
        return "laughing" if numbers.mouth_open > 0.09 else "smiling"
    return "smiling" if numbers.smile > 0.30 else "serious" if numbers.smile < 0.22 else None


def direction_of(numbers: Measurements) -> str | None:
    if abs(numbers.yaw) < 8:
        return "front"
    return None if abs(numbers.yaw) < 13 else "right" if numbers.yaw > 0 else "left"


def hair_of(numbers: Measurements) -> str | None:
    if numbers.hat > 0.15:
        return None
    if numbers.hair < 0.06:
        return "bald"
    red, green, blue = (channel / 255 for channel in numbers.hair_colour)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if value < 0.27:
        return "black"
    if saturation < 0.16 and value > 0.36:
        return "grey"
    if 0.02 < hue < 0.065 and saturation > 0.45 and value > 0.38:
        return "red"
    if value > 0.60 and saturation < 0.5:
        return "blond"
    return "brown" if value < 0.55 else None


def background_of(numbers: Measurements) -> str | None:
    """A colour name for an even background, ``busy`` for an uneven one."""
    if numbers.background_spread > 52:
        return "busy"
    if numbers.background_spread > 38:
        return None
    red, green, blue = (channel / 255 for channel in numbers.background_colour)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if value < 0.2:
        return "black"
    if saturation < 0.15:
        return "white" if value > 0.8 else "grey" if value < 0.72 else None
    if hue < 0.11 and value < 0.65:
        return "brown"
    bounds = ((0.04, "red"), (0.11, None), (0.19, "yellow"), (0.45, "green"), (0.7, "blue"), (0.8, "purple"))
    return next((name for bound, name in bounds if hue < bound), "pink" if hue < 0.96 else "red")


def light_of(numbers: Measurements) -> str | None:
    red, green, blue = numbers.skin_colour
    brightness = 0.299 * red + 0.587 * green + 0.114 * blue
    if numbers.light_from_left > 1.3:
        return "left"
    if numbers.light_from_left < 0.77:
        return "right"
    if brightness < 80:
        return "dim"
    if brightness > 185:
        return "bright"
    return "warm" if red - blue > 85 else "cold" if red - blue < 18 else None


def caption(traits: Traits, rng: torch.Generator, *, keep: float = 0.7) -> str:
    """A sentence for ``traits``: each part is kept with probability ``keep``, order and synonyms vary."""

    def chance(probability: float) -> bool:
        return float(torch.rand((), generator=rng)) < probability

    def words(trait: str) -> str | None:
        value = getattr(traits, trait)
        return None if value is None or not chance(keep) else _pick(WORDS[trait][value], rng)

    start = _pick(WORDS["style"][traits.style], rng) if traits.style != "photo" or chance(0.9) else ""
    noun = _pick(WORDS["gender"][traits.gender], rng) if traits.gender and chance(0.8) else "person"
    age = words("age")
    who = f"{'an' if (age or noun)[0] in 'aeiou' else 'a'} {age + ' ' if age else ''}{noun}"
    rest = [words(field.name) for field in fields(traits) if field.name not in ("style", "age", "gender")]
    said = [part for part in rest if part]
    order = torch.randperm(len(said), generator=rng).tolist()
    return ", ".join([f"{start} {who}".strip(), *(said[i] for i in order)])


def said_in(sentence: str) -> Traits:
    """The traits that a sentence of the grammar names; ``None`` for those it is silent about."""
    said: dict[str, str] = {_VALUES[words][0]: _VALUES[words][1] for words in _PHRASES.findall(sentence)}
    return Traits(**said)


def _pick(options: Sequence[str], rng: torch.Generator) -> str:
    return options[int(torch.randint(len(options), (), generator=rng))]


_VALUES = {
    words: (trait, value) for trait, values in WORDS.items() for value, options in values.items() for words in options
}
# Read from the left, so "not smiling" and "an old photo of" are met before the words in them; none begins another.
_PHRASES = re.compile(rf"\b(?:{'|'.join(map(re.escape, _VALUES))})\b")
