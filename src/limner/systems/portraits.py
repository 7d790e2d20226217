"""Where an objective's pictures come from: one protocol, and what every source's rows hold."""

from typing import Protocol

import torch
from torch import Tensor

from limner.systems.contract import Batch, Plan

LATENTS, PICTURES = "latents", "pictures"
CONTEXT, POOLED = "context", "pooled"
FEATURES, FACES = "face_features", "faces"


class Portraits(Protocol):
    """Pictures of people, by record number.

    Attributes:
        people: person -> numbers of the person's records.
        num_variants: pictures made of each record.
        face_area: ``(records,)``, share of the picture that the face takes, in [0, 1].
    """

    @property
    def people(self) -> dict[str, list[int]]: ...

    @property
    def num_variants(self) -> int: ...

    @property
    def face_area(self) -> Tensor: ...

    def load(self, plan: Plan) -> Batch:
        """The rows of a plan.

        Reads of each row ``record`` (the target), ``variant``, ``reference`` (the record whose face goes in),
        ``keep_text`` and ``text_seed``. Gives for all rows

        - ``latents`` ``(rows, channels, height, width)``, or ``pictures`` ``(rows, 3, height, width)`` in [-1, 1];
        - ``face_mask`` ``(rows, 1, height, width)`` in [0, 1], 1 on the target's face;
        - ``face_features`` ``(rows, patches, width)``, or ``faces`` ``(rows, 3, 112, 112)`` uint8, aligned;
        - ``context`` (and ``pooled``) of the target's sentence, or its token ids under the tokenizers' names;
        - perhaps ``sizes`` ``(rows, 6)``, see ``diffusion.backbone``.
        """
        ...


def noise_of(seeds: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Normal noise ``(rows, *shape)``, each row from its own seed, so that it does not matter which rows are asked."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds.tolist()])


def draw_seeds(rows: int, rng: torch.Generator) -> Tensor:
    """One seed a row, ``(rows,)``."""
    return torch.randint(2**62, (rows,), generator=rng)
