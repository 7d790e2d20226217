"""What the files of all face adapters have in common: a config, the blocks they enter, and what refuses a wrong one."""

import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import JsonValue, ValidationError
from torch import nn

from limner.adapters.seam import Blocks, Site, describe, find_sites
from limner.core.checkpoint import Header
from limner.core.config import Config
from limner.core.errors import AdapterError, CheckpointError, FeatureSpaceError

Settings = TypeVar("Settings", bound=Config)


class _Sites(Config):
    sites: list[tuple[str, int, int]]


def listed(sites: Sequence[Site]) -> JsonValue:
    """Sites as a header holds them."""
    return [[site.name, site.channels, site.heads] for site in sites]


def read_adapter_header(
    header: Header, kind: type[Settings], path: str | os.PathLike[str], *, key: str, version: str
) -> tuple[Settings, list[Site]]:
    """The config, under ``key``, and the sites of a header.

    Raises:
        CheckpointError: the layout is of another version, or one of the two is missing or malformed.
    """
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


def require_backbone(
    sites: Sequence[Site], backbone: nn.Module, path: str | os.PathLike[str], *, made_for: str, blocks: Blocks
) -> None:
    """Refuse a backbone whose blocks are not exactly these.

    Raises:
        AdapterError: they are others.
    """
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


def trained_with(header: Header, encoder: Header, filters: Iterable[str] = ()) -> Header:
    """An adapter's header that names every recogniser in its training, so that none of them is taken as its judge.

    Args:
        encoder: header of the face encoder whose features it reads.
        filters: feature spaces of the recognisers that filtered the training data.
    """
    roles = dict.fromkeys(filters, "filtered the training data") | dict(encoder.recognizers)
    return header.model_copy(update={"recognizers": roles | {str(encoder.feature_space): "encoder"}})
