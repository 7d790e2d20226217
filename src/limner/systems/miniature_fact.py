"""FACT on the miniature: the base is frozen, resampler and adapter learn to add the person (arXiv:2410.12312, 2).

The face often comes from another picture of the person than the target (shuffle), is sometimes left out (drop), and
what the adapter adds outside the face is penalised (FAIR).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from limner.diffusion.miniature import Miniature
from limner.identity.vit import FaceViT
from limner.losses.increment import increment_loss
from limner.systems.fact import Fact
from limner.systems.miniature_batch import NoisyPictures


@dataclass(frozen=True)
class FactCurriculum:
    """Drop and shuffle as functions of the run's fraction ``done`` in [0, 1]; proposal of ``fact.md`` 2.3."""

    face_drop_probability: float = 0.1
    shuffle_probability: float = 0.5
    shuffle_from: float = 0.1
    shuffle_full: float = 0.5

    def shuffle_at(self, done: float) -> float:
        """Probability that the face comes from another picture: 0 at first, then rising linearly to its value."""
        ramp = (done - self.shuffle_from) / max(self.shuffle_full - self.shuffle_from, 1e-9)
        return self.shuffle_probability * min(max(ramp, 0.0), 1.0)


class MiniatureFact:
    """The loss of one step; ``module`` is the :class:`Fact` that is trained, injected into the frozen base."""

    def __init__(
        self,
        base: Miniature,
        fact: Fact,
        pictures: NoisyPictures,
        features: Tensor,
        *,
        steps: int,
        curriculum: FactCurriculum,
    ) -> None:
        """``features``: the encoder's patch tokens of each record's reference, ``(records, patches, width)``."""
        base.unet.requires_grad_(False)
        base.text_encoder.requires_grad_(False)
        if not fact.adapter.is_injected:
            fact.adapter.inject(base.unet)
        self.base, self.module, self.pictures, self.features = base, fact, pictures, features
        self.steps, self.curriculum = steps, curriculum
        self.person = pictures.faces.person
        self.pictures_of = _pictures_of(self.person)

    def __call__(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Loss terms of one batch drawn with ``rng``: ``denoising`` and ``increment`` (FAIR)."""
        batch = self.pictures.draw(rng)
        tokens = self._face_tokens(self._references(batch.record, step, rng), rng)
        with torch.no_grad():
            text = self.base.text_encoder(batch.token_ids).last_hidden_state
        adapter = self.module.adapter
        with adapter.conditioned(tokens, scale=1.0), adapter.record_increments() as records:
            prediction = self.base.unet(batch.noisy, batch.timesteps, text).sample
        layers = [(entry.increment, entry.block_input) for entry in records]
        return {
            "denoising": self.pictures.loss(prediction, batch),
            "increment": increment_loss(layers, self.pictures.faces.face_masks[batch.record, batch.variant]),
        }

    def _references(self, record: Tensor, step: int, rng: torch.Generator) -> Tensor:
        """Which record shows the face: the target itself, or with shuffle another picture of the person."""
        probability = self.curriculum.shuffle_at(step / self.steps)
        chosen = []
        for number in record.tolist():
            others = [r for r in self.pictures_of[int(self.person[number])] if r != number]
            shuffled = float(torch.rand((), generator=rng)) < probability
            chosen.append(others[int(torch.randint(len(others), (), generator=rng))] if shuffled and others else number)
        return torch.tensor(chosen)

    def _face_tokens(self, reference: Tensor, rng: torch.Generator) -> Tensor:
        """Projected tokens ``(batch, tokens, width)``; a dropped face is all-zero patches, decided per sample."""
        kept = torch.rand(len(reference), generator=rng) >= self.curriculum.face_drop_probability
        features = self.features[reference].float() * kept[:, None, None]
        return self.module.face_tokens(features[:, None])


def _pictures_of(person: Tensor) -> dict[int, list[int]]:
    pictures: dict[int, list[int]] = {}
    for record, number in enumerate(person.tolist()):
        pictures.setdefault(number, []).append(record)
    return pictures


def encode_references(encoder: FaceViT, references: Tensor, *, chunk: int = 128) -> Tensor:
    """Patch tokens of aligned faces: ``(records, 3, 112, 112)`` uint8 -> ``(records, patches, width)`` float16."""
    with torch.no_grad():
        parts = [encoder.tokens(part.float() / 127.5 - 1).half() for part in references.split(chunk)]
    return torch.cat(parts)
