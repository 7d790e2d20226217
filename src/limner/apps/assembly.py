"""From names to a system that is ready to draw; this module names concrete systems, the rest of ``apps`` does not."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limner.apps.bases import Base, open_base
from limner.apps.fast import fast_licences
from limner.apps.opened_adapter import OpenedAdapter
from limner.apps.settings import Dials, PortraitSettings
from limner.core.assets import WEIGHTS
from limner.core.checkpoint import read_header
from limner.core.errors import ConfigError
from limner.diffusion.prompts import PromptMemory
from limner.diffusion.samplers import new_sampler
from limner.diffusion.upscaling import FaceUpscaler, load_upscaler, upscaler_licence
from limner.faces.detection import FaceDetector
from limner.identity.encoder import MINIATURE_ENCODER
from limner.identity.guide_network import GUIDE_WIDTH, GuideNetwork
from limner.identity.identity import Identity
from limner.identity.nuisance import load_nuisance
from limner.identity.recognition import GUIDE_SPACE
from limner.systems.corrected_sampling import can_be_corrected, correct_steps, require_correctable
from limner.systems.designs import FaceSystem, load_system
from limner.systems.fact import Fact
from limner.systems.fact_conversion import convert_fact as convert_fact
from limner.systems.fact_conversion import export_fact as export_fact
from limner.systems.identity_guidance import IdentityGuidance

ADAPTER_FILE, ENCODER_FILE, ENLARGER_FILE = "adapter.safetensors", "encoder.safetensors", "upscaler.safetensors"
"""Where a miniature folder keeps its face adapter, its face encoder and the network that doubles the side."""
NUISANCE_FILE = "nuisance.safetensors"
"""Where it keeps the directions in which the guide is not heard."""


@dataclass(frozen=True, eq=False)
class Enlarger:
    """What doubles the side of what a base draws; ``licence`` names its record."""

    network: FaceUpscaler
    licence: str


@dataclass(frozen=True, eq=False)
class Assembly:
    """A base and, if there is one, the face adapter made for it."""

    base: Base
    adapter: OpenedAdapter | None
    prompts: PromptMemory = field(default_factory=PromptMemory)

    def compile(self, **options: Any) -> None:
        """Compile the blocks of the denoiser; the adapter stays in it, at rest, until :meth:`close`.

        Entering and leaving would have everything compiled anew for each picture.

        Args:
            options: of ``torch.compile``.
        """
        unet = self.base.pipeline.unet
        if self.adapter is not None and not self.adapter.system.adapter.is_injected:
            self.adapter.system.adapter.inject(unet)
        unet.compile_repeated_blocks(**options)

    def close(self) -> None:
        """Forget what was made of people and sentences, and leave the denoiser."""
        self.prompts.close()
        if self.adapter is not None:
            self.adapter.memory.close()
            if self.adapter.system.adapter.is_injected:
                self.adapter.system.adapter.eject()

    def enlarged(self, image: np.ndarray, settings: Dials) -> np.ndarray:
        """The picture as it is to be shown: of twice the size if that was asked for.

        Raises:
            ConfigError: it was, and the base brings no network for it.
        """
        asked = isinstance(settings, PortraitSettings) and settings.enlarge
        return self.enlarger.network.enlarge(image) if asked else image

    def licences_of(self, settings: Dials) -> tuple[str, ...]:
        """Licence records of everything that such a picture comes from."""
        enlarged = isinstance(settings, PortraitSettings) and settings.enlarge
        return (
            self.licences
            + (fast_licences(self.base) if settings.fast else ())
            + ((self.enlarger.licence,) if enlarged else ())
        )

    @property
    def licences(self) -> tuple[str, ...]:
        """Licence records of everything that was opened."""
        return self.base.licences + (() if self.adapter is None else self.adapter.licences)

    @cached_property
    def enlarger(self) -> Enlarger:
        """The base's own network that doubles the side; opened when first asked for.

        Raises:
            ConfigError: the base brings none.
            CheckpointError: its file is broken.
        """
        path = self.base.own(ENLARGER_FILE)
        if path is None:
            raise ConfigError(
                f"{self.base.public_name} brings no network that enlarges its pictures; leave enlarge (--enlarge) out, "
                "or train one: limner train recipes/miniature-upscaler.toml (docs/miniature.md)"
            )
        return Enlarger(load_upscaler(path), upscaler_licence(path))

    def guide(
        self, scheduler: Any, people: Sequence[Identity | None], *, pull: float, window: tuple[float, float]
    ) -> None:
        """Have the guide look on in the one run that a scheduler of this base is made for.

        Args:
            people: of each row; nobody is looked for in a row without a person or without the guide's features.
            pull: see :attr:`limner.apps.settings.Dials.identity_guidance`.

        Raises:
            ConfigError: the sampler's steps cannot be looked into.
        """
        require_correctable(scheduler)
        known = [None if one is None else one.features.get(GUIDE_SPACE) for one in people]
        if all(one is None for one in known):
            return
        aims = torch.stack([torch.zeros(GUIDE_WIDTH) if one is None else one.embedding for one in known])
        pulls = torch.tensor([0.0 if one is None else pull for one in known])
        guidance = self.identity_guidance
        correct_steps(scheduler, lambda clean: guidance.pulled(clean, aims, pulls), window=window)

    @cached_property
    def identity_guidance(self) -> IdentityGuidance:
        """The guide, to look on while this base draws; opened when first asked for.

        Raises:
            CheckpointError: a file is missing or broken.
        """
        vae: Any = self.base.pipeline.vae
        shift = getattr(vae.config, "shift_factor", None) or 0.0

        def decode(latents: Tensor) -> Tensor:
            return vae.decode((latents / vae.config.scaling_factor + shift).to(vae.dtype))[0].float()

        path = self.base.own(NUISANCE_FILE)
        guide = GuideNetwork().to(vae.device)
        nuisance = torch.empty(0, GUIDE_WIDTH) if path is None else load_nuisance(path, feature_space=GUIDE_SPACE)
        return IdentityGuidance(guide, decode, nuisance=nuisance, detector=FaceDetector())

    def can_be_guided(self, scheduler: str | None) -> bool:
        """Whether the guide can look into the steps of a sampler, by short name; None is the base's own."""
        return can_be_corrected(new_sampler(self.base.pipeline.scheduler, scheduler))


def assemble(
    name: str | os.PathLike[str],
    *,
    adapter: str | os.PathLike[str] | None = None,
    encoder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
) -> Assembly:
    """Open a base with its face adapter.

    Args:
        name: "miniature", a folder or a hub name; see :func:`limner.apps.bases.open_base`.
        adapter: a face adapter's file, of any system; a miniature folder's own if None.
        encoder: the face encoder it reads; the folder's own, or the packaged one, if None.
        device: the best there is if None.

    Raises:
        CheckpointError: a file is missing, broken or of another kind.
        AdapterError: the adapter was made for another base.
        FeatureSpaceError: the encoder is not the one the adapter was trained with.
        ConfigError: there is no such device.
    """
    if adapter is not None:
        read_header(adapter)  # a wrong name should not cost the loading of a base
    base = open_base(name, device=device)
    path = Path(adapter) if adapter is not None else own_adapter(base)
    if path is None:
        return Assembly(base, None)
    return Assembly(base, open_adapter(path, base, encoder=encoder))


def open_adapter(
    path: str | os.PathLike[str], base: Base, *, encoder: str | os.PathLike[str] | None = None
) -> OpenedAdapter:
    """Open a face adapter, of the system its file names, for a base that is open already.

    Raises:
        CheckpointError, AdapterError, FeatureSpaceError: as :func:`assemble`.
    """
    system = open_system(path, base.pipeline.unet)
    return OpenedAdapter(system, Path(path), _encoder_for(system, base, encoder))


def open_system(path: str | os.PathLike[str], backbone: Any) -> FaceSystem:
    """Open the system that a file names, on the device and in the precision of a diffusers model, frozen.

    Raises:
        CheckpointError: the file is missing, broken or of another kind.
        AdapterError: it was made for another model.
    """
    return load_system(path, backbone).requires_grad_(False).to(backbone.device, backbone.dtype)


def open_detached(path: str | os.PathLike[str]) -> Fact:
    """Open a FACT model for a backbone that is no diffusers model; whoever attaches it compares the blocks.

    Raises:
        CheckpointError: the file is missing, broken or of another kind.
    """
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn before the saved ones replace them
        return Fact.load(path, None).requires_grad_(False)


def own_adapter(base: Base) -> Path | None:
    """The face adapter in a miniature's folder; None if there is none, or the base is another."""
    return base.own(ADAPTER_FILE)


def _encoder_for(system: FaceSystem, base: Base, given: str | os.PathLike[str] | None) -> Path | None:
    if given is not None:
        system.require_space(str(read_header(given).feature_space))
        return Path(given)
    for path in (base.own(ENCODER_FILE), WEIGHTS / MINIATURE_ENCODER):
        if path is not None and path.is_file() and read_header(path).feature_space == system.config.feature_space:
            return path
    return None
