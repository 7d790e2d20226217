"""What of a photo's tokens the miniature's adapter is not to hear, measured on the pictures of its run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from limner.apps.training_records import require_same_records
from limner.data.shard_index import ShardIndex
from limner.identity.nuisance import nuisance_directions, telling_directions

Unheard = Literal["yaw", "pitch", "smile", "mouth_open", "light_from_left"]
"""Numbers of :class:`limner.data.attributes.Measurements` that say how a picture was taken, and not of whom."""
PICTURES = 5000
"""They tell the few directions in which people's pictures differ most; more would only take longer."""


def measured_nuisance(
    features: Tensor, person: Tensor, shards: Path, *, count: int, unheard: Sequence[Unheard] = ()
) -> Tensor:
    """Orthonormal ``(count, patches * width)``: those in which pictures of one person differ most, and last a direction
    for each measurement that is not to be heard.

    Args:
        features: patch tokens ``(pictures, patches, width)`` of the shards' training pictures, in order.
        person: ``(pictures,)``, numbers.
        count: of directions, those for measurements among them.
        unheard: measurements of the shards' records.

    Raises:
        InputError: the pictures are not those of the shards.
        ConfigError: the pictures do not tell the directions, see :mod:`limner.identity.nuisance`.
    """
    several = (person.bincount()[person] > 1).nonzero()[:, 0]
    chosen = several[person[several].argsort(stable=True)][:PICTURES]
    told, people = features[chosen].float().flatten(1), [str(one) for one in person[chosen].tolist()]
    differing = nuisance_directions(told, people, count - len(unheard))
    measured, known = _measured(shards, len(person), chosen.tolist(), unheard)
    return torch.cat([differing, telling_directions(told, measured, known=known, besides=differing)])


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
