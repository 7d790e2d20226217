"""A loss of the base: does the guide make of the predicted face what it makes of the true one?

Squared error of latents spends a small denoiser on what nobody sees, and its eyes and mouths are crooked; a
recogniser's maps count what a face is recognised by. A perceptual loss on the prediction, as in arXiv:2401.00110, with
a network that knows faces. Its gradient runs through recogniser and decoder.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from limner.identity.guide_network import GuideNetwork
from limner.losses.face_detail import face_detail_loss
from limner.systems.contract import Batch, Plan
from limner.systems.predicted_faces import PredictedFaces

TRUE_FACE = "true_face"


class FaceDetailTerm:
    """The loss of a batch."""

    def __init__(self, guide: GuideNetwork, predicted: PredictedFaces, references: Tensor) -> None:
        """Freeze the guide.

        Args:
            guide: whose maps are compared.
            predicted: where the faces are.
            references: ``(records, 3, 112, 112)`` uint8, the true faces, aligned.
        """
        self.guide = guide.requires_grad_(False).eval()
        self.predicted, self.references = predicted, references

    def draw(self, rows: int, rng: torch.Generator) -> Plan:
        """Which rows are looked at."""
        return self.predicted.draw(rows, rng)

    def load(self, plan: Plan) -> Batch:
        """What :meth:`loss` reads of a batch."""
        return self.predicted.load(plan) | {TRUE_FACE: self.references[plan["record"]]}

    def loss(self, latents: Tensor, batch: Mapping[str, Tensor], kept: Tensor) -> Tensor:
        """Scalar; arguments as of :meth:`limner.systems.likeness_term.LikenessTerm.loss`."""
        rows = self.predicted.rows(batch)
        if not len(rows):
            return latents.sum() * 0
        with torch.no_grad():
            aims = self.guide.maps(batch[TRUE_FACE][rows].to(latents) / 127.5 - 1)
        seen = self.guide.maps(self.predicted.faces(latents, batch, rows))
        return face_detail_loss(seen, aims, kept[rows].sqrt())
