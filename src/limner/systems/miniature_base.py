"""Training of the miniature's base: text -> face, the denoiser and the text encoder together, from scratch."""

import torch
from torch import Tensor, nn

from limner.systems.miniature_batch import NoisyPictures


class MiniatureBase:
    """The loss of one step; ``module`` holds what is trained."""

    def __init__(self, unet: nn.Module, text_encoder: nn.Module, pictures: NoisyPictures) -> None:
        self.module = nn.ModuleDict({"unet": unet, "text_encoder": text_encoder})
        self.pictures = pictures

    def __call__(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Loss terms of one batch drawn with ``rng``."""
        batch = self.pictures.draw(rng)
        text = self.module["text_encoder"](batch.token_ids).last_hidden_state
        prediction = self.module["unet"](batch.noisy, batch.timesteps, text).sample
        return {"denoising": self.pictures.loss(prediction, batch)}
