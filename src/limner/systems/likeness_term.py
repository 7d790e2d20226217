"""A loss beside FACT's own: does the guide see the person in the picture that a prediction amounts to?

The clean latents behind a prediction are decoded, the face is laid on the recogniser's template by the landmarks of the
training picture, and the guide's embedding is compared with what lies between that picture's and the centre of all of
the person's: the centre alone smiles as the person does on average, and so would what is drawn; the picture alone tells
less surely who it is. The gradient runs through recogniser and decoder.
As in PuLID (arXiv:2404.16022); ``fact.md`` has no such term.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.data.record import FaceRecord
from limner.faces.alignment import invert_similarity, template_matrix, template_named
from limner.losses.likeness import likeness_loss
from limner.systems.contract import Batch, Plan

TEMPLATE = "arcface-112"
GRID, AIM, COUNTS = "likeness_grid", "likeness_aim", "likeness_counts"


@dataclass(frozen=True)
class LikenessAims:
    """What the guide should see, by record.

    Attributes:
        grids: ``(records, variants, 2, 3)``, from the template to the picture, both in [-1, 1] over their sides.
        embeddings: ``(records, dim)`` unit vectors, halfway between the guide's embedding of the record and the mean of
            those of its person.
    """

    grids: Tensor
    embeddings: Tensor


def likeness_aims(records: Iterable[FaceRecord]) -> LikenessAims:
    """Of training records, for a picture and its mirror image, which is what ``data.variants`` makes of them."""
    grids: list[Tensor] = []
    people: list[str] = []
    embeddings: list[np.ndarray] = []
    for record in records:
        plain = sampling_grid(record.landmarks, record.image.shape[1])
        # A mirrored picture, read from right to left, is the picture.
        grids.append(torch.stack([plain, plain * torch.tensor([[-1.0], [1.0]])]))
        people.append(record.person)
        embeddings.append(record.guide_embedding)
    return LikenessAims(torch.stack(grids), _halfway(people, np.stack(embeddings)))


def sampling_grid(landmarks: np.ndarray, side: int) -> Tensor:
    """The map ``(2, 3)`` that ``torch.nn.functional.affine_grid`` wants, to lay a face on the template.

    Args:
        landmarks: ``(5, 2)`` in pixels of a square picture.
        side: of that picture.
    """
    back = np.vstack([invert_similarity(template_matrix(landmarks, TEMPLATE)), (0, 0, 1)])
    return torch.from_numpy(
        (np.linalg.inv(_to_pixels(side)) @ back @ _to_pixels(template_named(TEMPLATE).side))[:2]
    ).float()


def _to_pixels(side: int) -> np.ndarray:
    """From [-1, 1] over a picture's side, edge to edge, to pixels, whose centres are whole numbers."""
    half, middle = side / 2, (side - 1) / 2
    return np.array([[half, 0, middle], [0, half, middle], [0, 0, 1]])


def _halfway(people: list[str], embeddings: np.ndarray) -> Tensor:
    sums: dict[str, np.ndarray] = {}
    for person, embedding in zip(people, embeddings, strict=True):
        sums[person] = sums.get(person, 0) + embedding
    centres = F.normalize(torch.from_numpy(np.stack([sums[person] for person in people])).float(), dim=1)
    return F.normalize(centres + torch.from_numpy(embeddings).float(), dim=1)


class LikenessTerm:
    """The loss of a batch."""

    def __init__(
        self,
        guide: nn.Module,
        decode: Callable[[Tensor], Tensor],
        aims: LikenessAims,
        *,
        counted: Tensor,
        probability: float,
    ) -> None:
        """Freeze the guide.

        Args:
            guide: aligned faces ``(rows, 3, side, side)`` RGB in [-1, 1] -> unit vectors ``(rows, dim)``.
            decode: latents -> pictures ``(rows, 3, height, width)`` in [-1, 1].
            counted: ``(records, variants)`` bool, pictures that the guide can judge; it was trained on photos.
            probability: of a row that is looked at, in (0, 1]; looking costs about as much as the step itself.
        """
        self.guide = guide.requires_grad_(False).eval()
        self.decode, self.aims, self.counted, self.probability = decode, aims, counted, probability

    def draw(self, rows: int, rng: torch.Generator) -> Tensor:
        """Which rows are looked at, ``(rows,)`` bool."""
        return torch.rand(rows, generator=rng) < self.probability

    def load(self, plan: Plan) -> Batch:
        """What :meth:`loss` reads of a batch; a row without its face is not asked to show the person."""
        record, variant = plan["record"], plan["variant"]
        return {
            GRID: self.aims.grids[record, variant],
            AIM: self.aims.embeddings[record],
            COUNTS: plan["looked_at"] & plan["keep_face"] & self.counted[record, variant],
        }

    def loss(self, latents: Tensor, batch: Mapping[str, Tensor], kept: Tensor) -> Tensor:
        """Scalar.

        Args:
            latents: clean, as predicted, ``(rows, channels, height, width)``.
            batch: with what :meth:`load` gave.
            kept: ``(rows,)``, the signal's share of the variance. A row counts by the signal's amplitude: of pure
                noise only a blur can be predicted, in which a recogniser sees nobody.
        """
        rows = batch[COUNTS].nonzero()[:, 0]
        if not len(rows):
            return latents.sum() * 0
        pictures = self.decode(latents[rows])
        side = template_named(TEMPLATE).side
        places = F.affine_grid(batch[GRID][rows], [len(rows), 3, side, side], align_corners=False)
        faces = F.grid_sample(pictures, places.to(pictures), align_corners=False)
        return likeness_loss(self.guide(faces), batch[AIM][rows], kept[rows].sqrt())
