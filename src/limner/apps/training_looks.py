"""What a recipe says of losses that look at a predicted face, and those faces."""

from pathlib import Path

import torch
from pydantic import Field

from limner.core.config import Config
from limner.core.errors import InputError
from limner.data.record import read_shards
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.systems.miniature_data import EncodedFaces
from limner.systems.predicted_faces import PredictedFaces, face_grids


class LookRecipe(Config):
    """A further loss, through the guide; how much it counts is said in ``training.weights``.

    Attributes:
        probability: of a row that the guide looks at.
    """

    probability: float = Field(gt=0, le=1)


def looked_at(
    recipe: LookRecipe, autoencoder: TinyFaceAutoencoder, faces: EncodedFaces, shards: Path
) -> PredictedFaces:
    """Where the faces lie is read from the shards that the run's latents were made of.

    Raises:
        InputError: other shards.
    """
    grids = face_grids(record for record in read_shards(shards) if record.split == "train")
    if len(grids) != len(faces.person):
        raise InputError(
            f"{shards} holds {len(grids)} training pictures, but the latents of this run were made of "
            f"{len(faces.person)}; name the shards that the base was trained on (--shards)"
        )
    photos = torch.tensor([[traits.style == "photo" for traits in row] for row in faces.traits])
    autoencoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (a third faster on a CPU)
    return PredictedFaces(
        lambda latents: autoencoder.decode(latents.contiguous(memory_format=torch.channels_last))[0],
        grids,
        counted=photos,
        probability=recipe.probability,
    )
