"""What of a photo's tokens the miniature's adapter is not to hear, measured on the pictures of its run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

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
    if not unheard:
        return differing
    index = ShardIndex(shards)
    records = index.numbers_of("train")
    require_same_records(shards, len(records), len(person))
    facts = [index.facts(records[number]) for number in chosen.tolist()]
    return torch.cat([differing, unheard_directions(told, facts, unheard, besides=differing)])


def unheard_directions(
    told: Tensor, facts: Sequence[Mapping[str, Any]], unheard: Sequence[Unheard], *, besides: Tensor
) -> Tensor:
    """Orthonormal ``(measurements, patches * width)``, in which tokens tell of measurements beyond gender and age.

    Args:
        told: ``(pictures, patches * width)``.
        facts: of the pictures' records, as :meth:`limner.data.shard_index.ShardIndex.facts` gives them.
        unheard: measurements.
        besides: orthonormal ``(count, patches * width)``, left out already.

    Raises:
        ConfigError: the pictures do not tell the directions, see :mod:`limner.identity.nuisance`.
    """
    measured = {name: torch.tensor([float(one["numbers"][name]) for one in facts]) for name in unheard}
    known = [torch.tensor([float(one[name]) for one in facts]) for name in ("male", "age_years")]
    return telling_directions(told, measured, known=known, besides=besides)
