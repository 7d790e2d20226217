"""Who writes the captions: the attribute grammar, or a captioner of the user's own."""

from importlib import import_module
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from limner.core.errors import ConfigError
from limner.data.captions import Traits, caption

ATTRIBUTES = "attributes"


@runtime_checkable
class Captioner(Protocol):
    """Describes a picture in a sentence.

    Made once in each process that prepares photos, without arguments; what it loads it should load at its first
    picture. The same picture, traits and generator must give the same sentence.

    Attributes:
        licence: name of the record of its network in `limner licences`, or its terms in words; empty if it has none.
    """

    licence: str

    def caption(self, image: np.ndarray, traits: Traits, rng: torch.Generator) -> str:
        """A caption of an RGB uint8 picture ``(height, width, 3)`` whose traits were measured."""
        ...


class AttributeCaptioner:
    """Says what was measured, in varying words; needs no network and no download."""

    licence = ""

    def caption(self, image: np.ndarray, traits: Traits, rng: torch.Generator) -> str:
        del image
        return caption(traits, rng, keep=1.0)


def open_captioner(name: str) -> Captioner:
    """``attributes``, or a class by ``package.module:Name``, which is imported and called without arguments.

    Raises:
        ConfigError: there is no such class, or it is no captioner.
    """
    if name == ATTRIBUTES:
        return AttributeCaptioner()
    module, _, attribute = name.partition(":")
    try:
        made = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"the captioner {name!r} cannot be made ({error}); say {ATTRIBUTES!r}, or package.module:Name of a class "
            "that can be called without arguments"
        ) from error
    if not isinstance(made, Captioner):
        raise ConfigError(f"{name!r} is no captioner: it needs `licence` and `caption(image, traits, rng)`")
    return made
