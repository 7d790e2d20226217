"""The guide looks at what a step is about to draw, and pulls it towards the person.

The predicted clean latents are decoded, the face is found and laid on the guide's template, and the latents move by a
fixed share of their length along the gradient of the guide's cosine with the person. What the guide says of smile and
head direction is left out, where the directions are known (:mod:`limner.identity.nuisance`). After DiffFace
(arXiv:2212.13344), which adds a recogniser's gradient to each step in the space of pixels. The length is fixed because
that of the gradient says how the guide is built and not how far the picture is from the person.

Who is guided by a recogniser is not to be judged by it. And its gradient is rough: a difference in the last digits of
the latents grows thirtyfold with each correction, so that a picture drawn beside others is not quite the one drawn
alone (docs/training-log.md).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.faces.alignment import template_named
from limner.faces.detection import FaceDetector
from limner.identity.nuisance import without_directions
from limner.systems.predicted_faces import TEMPLATE, sampling_grid

LEAST_SIDE = 256
"""Of the picture in which a face is looked for; the detector overlooks small ones."""


class IdentityGuidance:
    """Corrections for :func:`limner.systems.corrected_sampling.correct_steps`."""

    def __init__(
        self, guide: nn.Module, decode: Callable[[Tensor], Tensor], *, nuisance: Tensor, detector: FaceDetector
    ) -> None:
        """Keep what is given.

        Args:
            guide: aligned faces ``(rows, 3, side, side)`` RGB in [-1, 1] -> unit vectors ``(rows, dim)``.
            decode: latents -> pictures ``(rows, 3, height, width)`` in [-1, 1].
            nuisance: orthonormal ``(directions, dim)`` in which the guide is not heard; may be none.
            detector: finds the faces.
        """
        self.guide = guide.requires_grad_(False).eval()
        self.decode, self.nuisance, self.detector = decode, nuisance, detector

    def pulled(self, clean: Tensor, people: Tensor, strength: Tensor) -> Tensor:
        """The latents, moved towards the people; a row in which no face is found stays.

        Args:
            clean: ``(rows, channels, height, width)``.
            people: the guide's embeddings ``(rows, dim)``, unit vectors.
            strength: ``(rows,)``, how far, as a share of the latents' length.
        """
        with torch.enable_grad():
            latents = clean.detach().float().contiguous(memory_format=torch.channels_last).requires_grad_()
            pictures = self.decode(latents)
            grids = [self._grid(picture) for picture in _as_uint8(pictures)]
            seen = [row for row, grid in enumerate(grids) if grid is not None]
            if not seen:
                return clean
            side = template_named(TEMPLATE).side
            places = torch.stack([grid for grid in grids if grid is not None]).to(pictures)
            faces = F.grid_sample(
                pictures[seen],
                F.affine_grid(places, [len(seen), 3, side, side], align_corners=False),
                align_corners=False,
            )
            nuisance = self.nuisance.to(faces)
            said = without_directions(self.guide(faces), nuisance)
            aims = without_directions(people.to(faces)[seen], nuisance)
            [gradient] = torch.autograd.grad((said * aims).sum(), latents)
        lengths = [values.detach().flatten(1).norm(dim=1)[:, None, None, None] for values in (latents, gradient)]
        # Rows without a face have no gradient.
        far = strength.to(latents)[:, None, None, None]
        return (latents.detach() + far * lengths[0] * gradient / lengths[1].clamp_min(1e-12)).to(clean)

    def _grid(self, picture: np.ndarray) -> Tensor | None:
        faces = self.detector.detect(picture)
        if not faces:
            return None
        return sampling_grid(max(faces, key=lambda face: face.score).landmarks, picture.shape[:2])


def _as_uint8(pictures: Tensor) -> np.ndarray:
    """``(rows, height, width, 3)``, large enough for the detector."""
    factor = max(1.0, LEAST_SIDE / min(pictures.shape[-2:]))
    large = F.interpolate(pictures.detach().float(), scale_factor=factor, mode="bicubic").clamp(-1, 1)
    return ((large + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
