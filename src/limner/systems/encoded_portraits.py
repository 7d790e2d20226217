"""The miniature's encoded pictures as a source of portraits: latents, masks and face features lie in memory."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from limner.identity.vit import FaceViT
from limner.systems.contract import Batch, Plan
from limner.systems.miniature_data import EncodedFaces
from limner.systems.miniature_prompts import training_prompt
from limner.systems.portraits import FEATURES, LATENTS

Tokenize = Callable[[Sequence[str]], dict[str, Tensor]]
"""Sentences -> token ids ``(sentences, max_tokens)`` by tokenizer."""


class EncodedPortraits:
    """See :class:`limner.systems.portraits.Portraits`."""

    def __init__(self, faces: EncodedFaces, features: Tensor, tokenize: Tokenize) -> None:
        """``features``: the encoder's patch tokens of each record's reference, ``(records, patches, width)``."""
        self.faces, self.features, self.tokenize = faces, features, tokenize
        self.people: dict[str, list[int]] = {}
        for record, person in enumerate(faces.person.tolist()):
            self.people.setdefault(str(person), []).append(record)
        self.num_variants = faces.latents.shape[1]
        self.face_area = faces.face_masks[:, 0].float().mean(dim=(1, 2, 3))

    def load(self, plan: Plan) -> Batch:
        """Captions are made anew each time; a sentence that is left out is the empty one."""
        record, variant = plan["record"], plan["variant"]
        prompts = [
            training_prompt(self.faces.traits[r][v], torch.Generator().manual_seed(seed), empty_probability=0.0)
            if kept
            else ""
            for r, v, seed, kept in zip(
                *(plan[name].tolist() for name in ("record", "variant", "text_seed", "keep_text")), strict=True
            )
        ]
        return {
            LATENTS: self.faces.latents[record, variant],
            "face_mask": self.faces.face_masks[record, variant],
            FEATURES: self.features[plan["reference"]],
            **self.tokenize(prompts),
        }


@torch.no_grad()
def encode_references(
    encoder: FaceViT, references: Tensor, *, chunk: int = 128, progress: Callable[[int], None] = lambda done: None
) -> Tensor:
    """Patch tokens of aligned faces: ``(records, 3, 112, 112)`` uint8 -> ``(records, patches, width)`` float16."""
    parts: list[Tensor] = []
    for start in range(0, len(references), chunk):
        faces = references[start : start + chunk]
        parts.append(encoder.tokens(faces.float() / 127.5 - 1).half())
        progress(start + len(faces))
    return torch.cat(parts)
