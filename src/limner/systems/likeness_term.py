"""A loss beside FACT's own: does the guide see the person in the picture that a prediction amounts to?

The guide's embedding of the predicted face is compared with what lies between that picture's and the centre of all of
the person's: the centre alone smiles as the person does on average, and so would what is drawn; the picture alone tells
less surely who it is. The gradient runs through recogniser and decoder.
As in PuLID (arXiv:2404.16022); ``fact.md`` has no such term.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.data.record import FaceRecord
from limner.losses.likeness import likeness_loss
from limner.systems.contract import Batch, Plan
from limner.systems.predicted_faces import COUNTS, PredictedFaces

AIM = "likeness_aim"


class LikenessTerm:
    """The loss of a batch."""

    def __init__(self, guide: nn.Module, predicted: PredictedFaces, aims: Tensor) -> None:
        """Freeze the guide.

        Args:
            guide: aligned faces ``(rows, 3, side, side)`` RGB in [-1, 1] -> unit vectors ``(rows, dim)``.
            predicted: where the faces are.
            aims: ``(records, dim)``, see :func:`likeness_aims`.
        """
        self.guide = guide.requires_grad_(False).eval()
        self.predicted, self.aims = predicted, aims

    def draw(self, rows: int, rng: torch.Generator) -> Plan:
        """Which rows are looked at."""
        return self.predicted.draw(rows, rng)

    def load(self, plan: Plan) -> Batch:
        """What :meth:`loss` reads of a batch; a row without its face is not asked to show the person."""
        places = self.predicted.load(plan)
        return places | {COUNTS: places[COUNTS] & plan["keep_face"], AIM: self.aims[plan["record"]]}

    def loss(self, latents: Tensor, batch: Mapping[str, Tensor], kept: Tensor) -> Tensor:
        """Scalar.

        Args:
            latents: clean, as predicted, ``(rows, channels, height, width)``.
            batch: with what :meth:`load` gave.
            kept: ``(rows,)``, the signal's share of the variance. A row counts by the signal's amplitude: of pure
                noise only a blur can be predicted, in which a recogniser sees nobody.
        """
        rows = self.predicted.rows(batch)
        if not len(rows):
            return latents.sum() * 0
        seen = self.guide(self.predicted.faces(latents, batch, rows))
        return likeness_loss(seen, batch[AIM][rows], kept[rows].sqrt())


def likeness_aims(records: Iterable[FaceRecord]) -> Tensor:
    """``(records, dim)`` unit vectors, halfway between the guide's embedding of the record and the mean of those of
    its person."""
    sums: dict[str, np.ndarray] = {}
    own: list[np.ndarray] = []
    people: list[str] = []
    for record in records:
        own.append(record.guide_embedding)
        people.append(record.person)
        sums[record.person] = sums.get(record.person, 0) + record.guide_embedding
    centres = F.normalize(torch.from_numpy(np.stack([sums[person] for person in people])).float(), dim=1)
    return F.normalize(centres + torch.from_numpy(np.stack(own)).float(), dim=1)
