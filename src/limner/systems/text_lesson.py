"""The text encoder's lesson: before a denoiser reads a sentence, the sentence's states learn to tell its words apart.

Trained with the denoiser alone, a small text encoder learns the style and nothing else: a colour changes one state of
many, so attention that does not yet know where to look sees the same whatever the sentence says, and the encoder gets
no gradient for it. Here the mean of all states, which is what such attention sees, has to tell every trait that was
said (one linear layer a trait), and a reader draws the picture's latents from the states. Layers and reader are thrown
away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from limner.data.captions import WORDS, Traits, said_in
from limner.diffusion.text import token_ids
from limner.losses.denoising import denoising_loss
from limner.systems.contract import Batch, LossTerms, Plan
from limner.systems.latent_reader import LatentReader
from limner.systems.miniature_data import EncodedFaces
from limner.systems.miniature_prompts import training_prompts
from limner.systems.portraits import draw_seeds

CLASSES: Mapping[str, tuple[str, ...]] = {trait: tuple(values) for trait, values in WORDS.items()}
"""Trait -> its values; class 0 of each trait is silence, class ``n`` the value before ``n``."""


class TextLesson:
    """The loss of a step; ``module`` holds the text encoder and what is not kept."""

    def __init__(
        self, text_encoder: CLIPTextModel, tokenizer: PreTrainedTokenizerFast, faces: EncodedFaces, *, batch: int
    ) -> None:
        self.tokenizer, self.faces, self.batch = tokenizer, faces, batch
        width = text_encoder.config.hidden_size
        tellers = {trait: nn.Linear(width, len(values) + 1) for trait, values in CLASSES.items()}
        self.tellers = nn.ModuleDict(tellers)
        self.module = nn.ModuleDict(
            {
                "text_encoder": text_encoder,
                "tellers": self.tellers,
                "reader": LatentReader(width, tuple(faces.latents.shape[2:])),
            }
        )
        self.frozen: Sequence[nn.Module] = ()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing is frozen."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Pictures, and the seeds of what is said about them."""
        return {
            "record": torch.randint(len(self.faces.traits), (self.batch,), generator=rng),
            "variant": torch.randint(self.faces.latents.shape[1], (self.batch,), generator=rng),
            "text_seed": draw_seeds(self.batch, rng),
        }

    def collate(self, plan: Plan) -> Batch:
        """Latents, token ids and the classes of what was said."""
        prompts = training_prompts(self.faces.traits, plan)
        return {
            "latents": self.faces.latents[plan["record"], plan["variant"]].float(),
            "token_ids": token_ids(self.tokenizer, prompts),
            "said": torch.stack([classes_of(said_in(prompt)) for prompt in prompts]),
        }

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``words``: cross-entropy, mean over traits; ``latents``: squared error of the drawn picture."""
        states: Tensor = self.module["text_encoder"](batch["token_ids"]).last_hidden_state
        whole = states.mean(dim=1)
        told = [F.cross_entropy(self.tellers[trait](whole), batch["said"][:, at]) for at, trait in enumerate(CLASSES)]
        return {
            "words": torch.stack(told).mean(),
            "latents": denoising_loss(self.module["reader"](states), batch["latents"]),
        }


def classes_of(traits: Traits) -> Tensor:
    """``(traits,)`` class numbers in the order of :data:`CLASSES`."""
    said = {field.name: getattr(traits, field.name) for field in fields(traits)}
    return torch.tensor(
        [0 if said[trait] is None else 1 + values.index(said[trait]) for trait, values in CLASSES.items()]
    )
