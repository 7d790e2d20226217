"""The face adapters there are: a fresh one as a recipe asks, and a trained one by what its file says it is."""

import os
from typing import Literal

import torch
from torch import nn

from limner.core.checkpoint import read_header
from limner.core.errors import CheckpointError
from limner.systems import decoupled as decoupled_system
from limner.systems import fact as fact_system
from limner.systems.decoupled import Decoupled, DecoupledConfig
from limner.systems.fact import Fact, FactConfig

FaceSystem = Fact | Decoupled
"""Anything with the surface of :class:`limner.systems.contract.FaceAdapterSystem` that is also a module."""


class AdapterDesign(FactConfig):
    """A recipe's description of an adapter: sizes as FACT reads them, and which kind is built of them.

    Attributes:
        design: "fact", or "decoupled" for the rival, which takes the same sizes as far as it has them and sees all of
            the features, whatever ``nuisance`` says.
    """

    design: Literal["fact", "decoupled"] = "fact"


def new_system(backbone: nn.Module, design: AdapterDesign) -> FaceSystem:
    """A fresh adapter that leaves the backbone's output unchanged; the backbone is only looked at.

    Raises:
        TargetNotFoundError: the backbone has no block to enter.
    """
    if design.design == "fact":
        return Fact.for_backbone(backbone, FactConfig.model_validate(design.model_dump(exclude={"design"})))
    sizes = design.resampler
    config = DecoupledConfig(
        backbone=design.backbone,
        feature_space=design.feature_space,
        template=design.template,
        licence=design.licence,
        blocks=design.blocks,
        feature_width=sizes.feature_width,
        context_width=sizes.context_width,
    )
    return Decoupled.for_backbone(backbone, config)


def load_system(path: str | os.PathLike[str], backbone: nn.Module) -> FaceSystem:
    """Read the adapter in a file, whichever its header names, in eval mode; the global random state stays as it was.

    Raises:
        CheckpointError: the file is missing, broken or incomplete, or names no face adapter.
        AdapterError: it was made for another backbone.
    """
    kinds: dict[str, type[FaceSystem]] = {fact_system.SYSTEM: Fact, decoupled_system.SYSTEM: Decoupled}
    name = read_header(path).system
    if name not in kinds:
        raise CheckpointError(f"{path} holds weights of {name!r}, expected a face adapter: {', '.join(kinds)}")
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn before the saved ones replace them
        return kinds[name].load(path, backbone)
