"""The face in the picture that a prediction amounts to, laid on a recogniser's template, for losses that look at it."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.data.record import FaceRecord
from limner.faces.alignment import invert_similarity, template_matrix, template_named
from limner.systems.contract import Batch, Plan

TEMPLATE = "arcface-112"
GRID, COUNTS = "predicted_face_grid", "predicted_face_counts"


class PredictedFaces:
    """Which rows are looked at, and how they are decoded and laid."""

    def __init__(
        self, decode: Callable[[Tensor], Tensor], grids: Tensor, *, counted: Tensor, probability: float
    ) -> None:
        """Keep what is given.

        Args:
            decode: latents -> pictures ``(rows, 3, height, width)`` in [-1, 1].
            grids: ``(records, variants, 2, 3)``, see :func:`face_grids`.
            counted: ``(records, variants)`` bool, pictures that a recogniser can judge; it was trained on photos.
            probability: of a row that is looked at, in (0, 1]; looking costs about as much as the step itself.
        """
        self.decode, self.grids, self.counted, self.probability = decode, grids, counted, probability

    def draw(self, rows: int, rng: torch.Generator) -> Plan:
        """Which rows are looked at: ``looked_at`` ``(rows,)`` bool."""
        return {"looked_at": torch.rand(rows, generator=rng) < self.probability}

    def load(self, plan: Plan) -> Batch:
        """What :meth:`rows` and :meth:`faces` read of a batch."""
        record, variant = plan["record"], plan["variant"]
        return {GRID: self.grids[record, variant], COUNTS: plan["looked_at"] & self.counted[record, variant]}

    def rows(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Numbers of the rows that count."""
        return batch[COUNTS].nonzero()[:, 0]

    def faces(self, latents: Tensor, batch: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Faces ``(len(rows), 3, side, side)`` in [-1, 1], with gradient, of predicted clean latents of ``rows``."""
        pictures = self.decode(latents)
        side = template_named(TEMPLATE).side
        places = F.affine_grid(batch[GRID][rows], [len(rows), 3, side, side], align_corners=False)
        return F.grid_sample(pictures, places.to(pictures), align_corners=False)


def face_grids(records: Iterable[FaceRecord]) -> Tensor:
    """``(records, variants, 2, 3)``, from the template to a picture and to its mirror image, which is what
    ``data.variants`` makes of it; both in [-1, 1] over their sides. The mirror image gives the same face."""
    plain = torch.stack([sampling_grid(record.landmarks, record.image.shape[:2]) for record in records])
    # A mirrored picture, read from right to left, is the picture.
    return torch.stack([plain, plain * torch.tensor([[-1.0], [1.0]])], dim=1)


def sampling_grid(landmarks: np.ndarray, size: tuple[int, int]) -> Tensor:
    """The map ``(2, 3)`` that ``torch.nn.functional.affine_grid`` wants, to lay a face on the template.

    Args:
        landmarks: ``(5, 2)`` in pixels of a picture.
        size: height and width of that picture.
    """
    side = template_named(TEMPLATE).side
    back = np.vstack([invert_similarity(template_matrix(landmarks, TEMPLATE)), (0, 0, 1)])
    return torch.from_numpy((np.linalg.inv(_to_pixels(*size)) @ back @ _to_pixels(side, side))[:2]).float()


def _to_pixels(height: int, width: int) -> np.ndarray:
    """From [-1, 1] over a picture's sides, edge to edge, to pixels, whose centres are whole numbers."""
    return np.array([[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1]])
