"""What of a photo's tokens the miniature's adapter is not to hear, measured on the pictures of its run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from limner.apps.training_records import require_same_records
from limner.data.shard_index import ShardIndex
from limner.identity.nuisance import nuisance_directions, telling_directions
from limner.systems.designs import FaceSystem
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.fact import Fact

Unheard = Literal["yaw", "pitch", "smile", "mouth_open", "light_from_left"]
"""Numbers of :class:`limner.data.attributes.Measurements` that say how a picture was taken, and not of whom."""
PICTURES = 5000
"""They tell the few directions in which people's pictures differ most; more would only take longer."""


def measure_nuisance(
    system: FaceSystem, portraits: EncodedPortraits, shards: Path, unheard: Sequence[Unheard] = ()
) -> None:
    """Fill the directions that the resampler is not to see, unless the adapter that the run began with brought them.

    Args:
        unheard: measurements of the shards' records that a direction each is given to; the rest are those in which
            pictures of one person differ most.

    Raises:
        InputError: the portraits are not those of the shards.
        ConfigError: the pictures do not tell the directions, see :mod:`limner.identity.nuisance`.
    """
    if not isinstance(system, Fact) or system.nuisance is None or system.nuisance.any():
        return
    person = portraits.faces.person
    several = (person.bincount()[person] > 1).nonzero()[:, 0]
    chosen = several[person[several].argsort(stable=True)][:PICTURES]
    told, people = portraits.features[chosen].float().flatten(1), [str(one) for one in person[chosen].tolist()]
    differing = nuisance_directions(told, people, len(system.nuisance) - len(unheard))
    measured, known = _measured(shards, len(person), chosen.tolist(), unheard)
    telling = telling_directions(told, measured, known=known, besides=differing)
    system.nuisance.copy_(torch.cat([differing, telling]))


def _measured(
    shards: Path, pictures: int, chosen: Sequence[int], unheard: Sequence[Unheard]
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Measurement -> ``(pictures,)`` of the chosen training records, and what may be told, gender and age."""
    if not unheard:
        return {}, []
    index = ShardIndex(shards)
    records = [number for number, split in enumerate(index.split) if split == "train"]
    require_same_records(shards, len(records), pictures)
    facts = [index.facts(records[number]) for number in chosen]
    known = [torch.tensor([float(one[name]) for one in facts]) for name in ("male", "age_years")]
    return {name: torch.tensor([float(one["numbers"][name]) for one in facts]) for name in unheard}, known
