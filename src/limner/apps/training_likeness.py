"""What the runs of the miniature need where the guide looks at what they draw."""

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from limner.core.config import Config
from limner.core.errors import InputError
from limner.data.record import read_shards
from limner.diffusion.miniature import Miniature
from limner.identity.guide_network import GuideNetwork
from limner.systems.likeness_term import likeness_aims
from limner.systems.miniature_data import EncodedFaces
from limner.systems.predicted_faces import PredictedFaces, face_grids


class LikenessRecipe(Config):
    """A further loss, through the guide; how much it counts is ``training.weights.likeness``.

    Attributes:
        probability: of a row that the guide looks at.
    """

    probability: float = Field(gt=0, le=1)


def who_is_seen(
    probability: float, base: Miniature, faces: EncodedFaces, shards: Path
) -> tuple[GuideNetwork, PredictedFaces, Tensor]:
    """The guide, where it looks, and whom it is to see: the arguments of a
    :class:`~limner.systems.likeness_term.LikenessTerm`. Faces and aims come from the shards that the run's latents
    were made of.

    Raises:
        InputError: other shards.
    """
    grids = face_grids(record for record in read_shards(shards) if record.split == "train")
    if len(grids) != len(faces.person):
        raise InputError(
            f"{shards} holds {len(grids)} training pictures, but the latents of this run were made of "
            f"{len(faces.person)}; name the shards that the base was trained on (--shards)"
        )
    base.vae.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (a third faster on a CPU)
    predicted = PredictedFaces(
        lambda latents: base.vae.decode(latents.contiguous(memory_format=torch.channels_last))[0],
        grids,
        counted=torch.tensor([[traits.style == "photo" for traits in row] for row in faces.traits]),
        probability=probability,
    )
    return GuideNetwork(), predicted, likeness_aims(record for record in read_shards(shards) if record.split == "train")
