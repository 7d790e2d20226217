"""The projector's lesson: before an adapter learns, its face tokens learn to say what a person looks like.

Behind gates that start at 0 a fresh resampler gets a faint and noisy gradient, and the easiest thing it learns is to
say the same of everybody. Here a reader draws the face's latents from the tokens, of this picture of the person or of
another one. The reader is thrown away.
"""

from collections.abc import Sequence

import torch
from torch import nn

from limner.data.pairing import Mixed, draw_targets, pairing_named
from limner.losses.denoising import denoising_loss
from limner.systems.contract import Batch, FaceAdapterSystem, LossTerms, Plan
from limner.systems.latent_reader import LatentReader
from limner.systems.portraits import FEATURES, LATENTS, Portraits, draw_seeds


class ProjectorLesson:
    """The loss of a step; ``module`` holds the system's projector and the reader that is not kept."""

    def __init__(
        self,
        system: FaceAdapterSystem,
        portraits: Portraits,
        *,
        token_width: int,
        latent_shape: Sequence[int],
        batch: int,
        pairing: str = "cross",
        other_picture_probability: float = 0.5,
    ) -> None:
        """``pairing`` says where the face comes from when it is not the picture's own.

        Raises:
            ConfigError: there is no such pairing.
        """
        self.system, self.portraits, self.batch = system, portraits, batch
        self.reader = LatentReader(token_width, latent_shape)
        self.module = nn.ModuleDict({"projector": system.projector, "reader": self.reader})
        self.frozen: Sequence[nn.Module] = ()
        self._pairing = Mixed(pairing_named(pairing, portraits.people), other_picture_probability)

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing is frozen: latents and features come from the portraits."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Who is drawn from whose face; the pictures as they are, without words."""
        records = draw_targets(self.portraits.people, self.batch, rng)
        return {
            "record": torch.tensor(records),
            "reference": torch.tensor(self._pairing(records, rng)),
            "variant": torch.zeros(self.batch, dtype=torch.long),
            "keep_text": torch.zeros(self.batch, dtype=torch.bool),
            "text_seed": draw_seeds(self.batch, rng),
        }

    def collate(self, plan: Plan) -> Batch:
        """Latents, face masks and face features."""
        loaded = self.portraits.load(plan)
        return {name: loaded[name] for name in (LATENTS, "face_mask", FEATURES)}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``latents``: squared error inside the face."""
        drawn = self.reader(self.system.face_tokens(batch[FEATURES].float()[:, None]))
        return {"latents": denoising_loss(drawn, batch[LATENTS].float(), region=batch["face_mask"].float())}
