"""What the files of all face adapters have in common: a config, the blocks they enter, and what refuses a wrong one."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pydantic import JsonValue, ValidationError
from torch import nn

from limner.adapters.seam import Blocks, Site, describe, find_sites
from limner.core.checkpoint import Header, load_checkpoint, load_into
from limner.core.config import Config
from limner.core.errors import AdapterError, CheckpointError, FeatureSpaceError


class AdapterConfig(Config):
    """What a face adapter is made for.

    Attributes:
        backbone: name of the frozen generator, for people.
        feature_space: recogniser, weights and template whose patch tokens it reads.
        template: alignment template of the faces.
        licence: name of a licence record, or the terms in words.
        blocks: "all", or "first" for the first transformer block of each stack.
    """

    backbone: str
    feature_space: str
    template: str
    licence: str
    blocks: Blocks = "all"


Settings = TypeVar("Settings", bound=AdapterConfig)
System = TypeVar("System", bound=nn.Module)


class _Sites(Config):
    sites: list[tuple[str, int, int]]


def adapter_header(system: str, version: str, config: AdapterConfig, sites: Sequence[Site]) -> Header:
    """What a file of an adapter's weights says about itself."""
    listed: JsonValue = [[site.name, site.channels, site.heads] for site in sites]
    return Header(
        system=system,
        version=version,
        backbone=config.backbone,
        feature_space=config.feature_space,
        template=config.template,
        licence=config.licence,
        config={system: config.model_dump(mode="json"), "sites": listed},
    )


def load_adapter(
    path: str | os.PathLike[str],
    backbone: nn.Module | None,
    kind: type[Settings],
    build: Callable[[Settings, Sequence[Site]], System],
    *,
    system: str,
    version: str,
) -> System:
    """Read an adapter for this backbone, in eval mode; None where the backbone is no diffusers model to compare with.

    Raises:
        CheckpointError: the file is missing, broken, of another system or incomplete.
        AdapterError: it was made for another backbone.
    """
    tensors, header = load_checkpoint(path, expect_system=system)
    config, sites = _read_header(header, kind, path, key=system, version=version)
    if backbone is not None:
        _require_backbone(sites, backbone, path, made_for=config.backbone, blocks=config.blocks)
    adapter = build(config, sites)
    load_into(adapter, tensors, path)
    return adapter.eval()


def _read_header(
    header: Header, kind: type[Settings], path: str | os.PathLike[str], *, key: str, version: str
) -> tuple[Settings, list[Site]]:
    if header.version != version:
        raise CheckpointError(
            f"{path} is written in layout {header.version}, this Limner reads {version}; update the older of the two"
        )
    try:
        config = kind.model_validate(header.config[key])
        sites = _Sites.model_validate({"sites": header.config["sites"]}).sites
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path} does not say how its model is built ({error}); write it again") from error
    return config, [Site(*site) for site in sites]


def _require_backbone(
    sites: Sequence[Site], backbone: nn.Module, path: str | os.PathLike[str], *, made_for: str, blocks: Blocks
) -> None:
    present = find_sites(backbone, blocks=blocks)
    if list(sites) != present:
        raise AdapterError(
            f"{path} was made for {made_for!r}, {describe(sites)}; this backbone is a "
            f"{type(backbone).__name__} with {describe(present)}. Use an adapter made for this backbone"
        )


def require_same_space(given: str, expected: str) -> None:
    """Refuse features of another recogniser.

    Raises:
        FeatureSpaceError: they are of another space than the adapter was trained on.
    """
    if given != expected:
        raise FeatureSpaceError(
            f"these features are of {given!r}, this model reads {expected!r}; make them with that recogniser"
        )


def begin_adapter(system: nn.Module, start: str | os.PathLike[str], *, like: Header) -> Header:
    """Take over the weights in the file ``start``; returns its header. Buffers that the file does not have, or has in
    another number, stay as they are.

    Args:
        like: header of ``system``; the file must be of the same kind, for the same features.

    Raises:
        CheckpointError: the file is missing, broken, of another system, or of other sizes.
        FeatureSpaceError: it reads the features of another recogniser.
    """
    tensors, header = load_checkpoint(start, expect_system=like.system)
    require_same_space(str(like.feature_space), str(header.feature_space))
    measured = {name for name, _ in system.named_buffers()}
    own = {name: value for name, value in system.state_dict().items() if name in measured}
    fitting = {name: value for name, value in tensors.items() if name not in own or value.shape == own[name].shape}
    load_into(system, own | fitting, start)
    return header


def trained_with(
    header: Header,
    encoder: Header,
    filters: Iterable[str] = (),
    *,
    start: Header | None = None,
    guides: Iterable[str] = (),
) -> Header:
    """An adapter's header that names every recogniser in its training, so that none of them is taken as its judge.

    Args:
        encoder: header of the face encoder whose features it reads.
        filters: feature spaces of the recognisers that filtered the training data.
        start: header of the file that training began with.
        guides: feature spaces of recognisers that a loss looked through.
    """
    roles = {} if start is None else dict(start.recognizers)
    roles |= dict.fromkeys(filters, "filtered the training data") | dict(encoder.recognizers)
    for space in guides:
        roles[space] = "; ".join(filter(None, (roles.get(space), "guided the adapter's training")))
    return header.model_copy(update={"recognizers": roles | {str(encoder.feature_space): "encoder"}})
