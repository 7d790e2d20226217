"""Models under test: from names on the command line to studios that draw by the rules of an evaluation."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from limner.apps.assembly import Assembly, open_adapter, own_adapter
from limner.apps.bases import Base
from limner.apps.completion import completed
from limner.apps.fast import fast_settings
from limner.apps.guard import UNGUARDED
from limner.apps.opened_adapter import OpenedAdapter
from limner.apps.settings import DEFAULT_PROMPT, Dials
from limner.apps.studio import Studio
from limner.core.checkpoint import read_header
from limner.core.errors import ConfigError
from limner.evaluation.comparison import BASE
from limner.evaluation.protocol import Protocol
from limner.identity.identity import Identity

_OF_NO_PICTURE = {"people", "photos", "name", "fast"}
"""Rules that change none of the pictures."""
_OF_A_PERSON = {"scale", "window", "identity_guidance", "glasses"}
"""Rules of how a person is shown."""


def settled(rules: Protocol, base: Base) -> Protocol:
    """The rules with everything filled in that was left to the base, so that a report says with what was drawn.

    Raises:
        ConfigError: they ask for fast drawing, and the base brings nothing for it.
    """
    asked = {"fast": True} if rules.fast else {"num_steps": rules.steps, "guidance_scale": rules.guidance}
    asked |= {"window": rules.window, "identity_guidance": rules.identity_guidance}
    drawn = completed(Dials.of(prompt=DEFAULT_PROMPT, **asked), Assembly(base, None), pixels=0)
    own = {
        "steps": drawn.num_steps,
        "guidance": drawn.guidance_scale,
        "window": drawn.window,
        "identity_guidance": drawn.identity_guidance,
    }
    return rules.model_copy(update=own)


class Enrolment:
    """Learns people for all methods that read the same encoder; the last one is remembered."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._last: tuple[np.ndarray, Identity] | None = None

    def __call__(self, photo: np.ndarray) -> Identity:
        if self._last is None or self._last[0] is not photo:
            self._last = (photo, self._studio.identity([photo]))
        return self._last[1]


@dataclass(frozen=True, eq=False)
class StudioMethod:
    """A studio as an evaluation sees it; ``dials`` are settings that differ from the rules where a person is shown."""

    studio: Studio
    enrolment: Enrolment
    rules: Protocol
    dials: Mapping[str, Any] = field(default_factory=dict)

    def identity(self, photo: np.ndarray) -> Identity:
        return self.enrolment(photo)

    def draw(self, identity: Identity | None, prompt: str, *, seed: int, count: int) -> list[np.ndarray]:
        rules = self.rules
        settings = {
            "adapter_scale": 0.0 if identity is None else rules.scale,
            **({"fast": True} if rules.fast else {"num_steps": rules.steps, "guidance_scale": rules.guidance}),
            "window": rules.window,
            "identity_guidance": rules.identity_guidance,
            "glasses": rules.glasses,
            **({} if identity is None else self.dials),
        }
        portraits = self.studio.portrait(identity, prompt, seed=seed, count=count, **settings)
        return [portrait.image for portrait in portraits]


def methods_named(text: str) -> dict[str, Path | None]:
    """``"fact,rival=out/adapter.safetensors"`` -> files by name, None where a name stands alone.

    Raises:
        ConfigError: there is no method, or one has no name or stands twice.
    """
    found: dict[str, Path | None] = {}
    for entry in text.split(","):
        name, equals, file = (part.strip() for part in entry.partition("="))
        if not name or name in found or (equals and not file) or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"--methods {text!r}: each is NAME or NAME=FILE, letters and digits, none of them twice")
        found[name] = Path(file) if file else None
    return found


def open_methods(
    methods: Mapping[str, Path | None], base: Base, *, encoder: Path | None = None
) -> dict[str, OpenedAdapter]:
    """The adapters of all methods.

    Args:
        methods: by name the file, None for the base's own adapter of that system.
        encoder: their face encoder, where it lies apart.

    Raises:
        ConfigError: a name is "base", or stands alone and is not what the model's own adapter is.
    """
    if BASE in methods:
        raise ConfigError(f"{BASE!r} is the model without an adapter and always measured; leave it out of --methods")
    return {name: open_adapter(path or _own(name, base), base, encoder=encoder)
            for name, path in methods.items()}  # fmt: skip


def drawing_methods(base: Base, adapters: Mapping[str, OpenedAdapter], rules: Protocol) -> dict[str, StudioMethod]:
    """What draws, by name; methods with one encoder learn each person once."""
    studios = {name: Studio(Assembly(base, adapter), UNGUARDED) for name, adapter in adapters.items()}
    enrolments = {adapter.encoder_path: Enrolment(studios[name]) for name, adapter in adapters.items()}
    return {
        name: StudioMethod(studio, enrolments[adapters[name].encoder_path], rules) for name, studio in studios.items()
    }


def drawing_keys(base: Base, adapters: Mapping[str, OpenedAdapter], rules: Protocol) -> dict[str, str]:
    """By method, what changes whenever its pictures would: weights and rules of drawing; the base is among them, and
    does not care how a person would be shown."""
    about = f"{base.name} {_weights_of(base)}"
    if rules.fast:
        about += hashlib.sha256(Path(fast_settings(base)["lora"]).read_bytes()).hexdigest()
    drawing = rules.model_dump_json(exclude=_OF_NO_PICTURE)
    told = {name: f"{about} {drawing} {one.sha256}" for name, one in adapters.items()}
    told[BASE] = f"{about} {rules.model_dump_json(exclude=_OF_NO_PICTURE | _OF_A_PERSON)}"
    return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in told.items()}


def _weights_of(base: Base) -> str:
    """Sum of the denoiser's weights: another base under the same name must not find the old one's pictures."""
    total = sum(float(parameter.detach().double().abs().sum()) for parameter in base.pipeline.unet.parameters())
    return f"{total:.9e}"


def _own(name: str, base: Base) -> Path:
    path = own_adapter(base)
    system = None if path is None else read_header(path).system
    if path is None or system != name:
        has = "no adapter of its own" if path is None else f"an adapter of the system {system!r}"
        raise ConfigError(f"{base.name} has {has}; name the file of {name!r}: --methods {name}=FILE")
    return path
