"""What one recogniser knows about one person, and whether several photos show the same one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from limner.core.errors import FaceError
from limner.faces.face import AlignedFace
from limner.identity.recognition import GUIDE_SPACE, IdentityEmbedding, Recognizer, TokenRecognizer

SAME_PERSON_SIMILARITY = {GUIDE_SPACE: 0.2}
"""Per feature space, the cosine of one photo to the mean of the others below which it shows somebody else.

The guide was measured on sets of 2 to 8 photos: 0.2 notices 97 % of the sets with one stranger among them. It refuses
0.0 to 1.6 % of the sets of one person in glint-celebs, 3 to 7 % in celeba-wild, whose labels are noisier. (Single pairs
reach a false accept rate of 1e-3 at 0.35 and 0.37, but that threshold would refuse a tenth of honest sets.)
"""


@dataclass(frozen=True, eq=False)
class FaceFeatures:
    """A person in one feature space.

    Attributes:
        space: name of the feature space.
        embedding: float32 (dim,) of length 1, the mean over photos weighted by quality.
        norm: mean length before normalising, weighted alike; a quality cue.
        tokens: float32 (photos, patches, width) per photo, or None if the recogniser has no tokens.
        licence: name of the network's record in `limner licences`.
    """

    space: str
    embedding: Tensor
    norm: float
    tokens: Tensor | None = None
    licence: str = ""

    @property
    def identity_embedding(self) -> IdentityEmbedding:
        """The embedding as recognisers return it, to be compared with theirs."""
        return IdentityEmbedding(self.space, self.embedding.numpy(), np.asarray(self.norm, dtype=np.float32))


def extract(
    recognizer: Recognizer, faces: Sequence[AlignedFace], weights: np.ndarray, names: Sequence[str]
) -> FaceFeatures:
    """Features of one person from one face per photo.

    Args:
        weights: (photos,) positive, how much each photo counts.
        names: what to call each photo in messages.

    Raises:
        FaceError: a photo shows somebody else than the others.
    """
    embeddings = recognizer.embed(faces)
    require_one_person(embeddings, names)
    return FaceFeatures(
        space=recognizer.feature_space,
        embedding=torch.from_numpy(_mean_direction(embeddings.vector, weights)),
        norm=float(np.float32(np.average(embeddings.norm, weights=weights))),
        tokens=recognizer.tokens(faces) if isinstance(recognizer, TokenRecognizer) else None,
        licence=recognizer.licence,
    )


def similarity_to_others(vectors: np.ndarray) -> np.ndarray:
    """Cosine of each of at least two unit rows (photos, dim) to the mean of the other rows, (photos,)."""
    others = vectors.sum(axis=0) - vectors
    lengths = np.maximum(np.linalg.norm(others, axis=1), 1e-12)
    return np.sum(vectors * others, axis=1) / lengths


def require_one_person(embeddings: IdentityEmbedding, names: Sequence[str]) -> None:
    """Refuse photos of different people, in feature spaces whose threshold was measured.

    Raises:
        FaceError: a photo is too unlike the others; with two photos both are named.
    """
    threshold = SAME_PERSON_SIMILARITY.get(embeddings.space)
    if threshold is None or len(embeddings) < 2:
        return
    similarities = similarity_to_others(embeddings.vector)
    worst = int(similarities.argmin())
    if similarities[worst] >= threshold:
        return
    told = f"similarity {similarities[worst]:.2f}, photos of one person have at least {threshold:.2f}"
    remedy = "remove it, or choose the right face in it with --face"
    if len(embeddings) == 2:
        raise FaceError(f"{names[0]} and {names[1]} look like two people ({told}); remove one, or choose with --face")
    raise FaceError(f"{names[worst]} looks like somebody else than the other photos ({told}); {remedy}")


def _mean_direction(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean = np.average(vectors.astype(np.float64), axis=0, weights=weights)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
