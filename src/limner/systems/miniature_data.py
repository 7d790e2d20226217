"""Training pictures of the miniature, encoded once: latents, face masks, reference crops and traits.

Each record gives two variants: as it is, and mirrored with, often, another background or an art style. Pictures are kept
as latents, so that a training step pays for the denoiser only.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from limner.data.art import BACKGROUND_COLOURS, STYLES, exchange_background
from limner.data.attributes import BACKGROUND, FACE_IDS
from limner.data.captions import Traits, describe, invented_name
from limner.data.record import FaceRecord
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.faces.alignment import align

NUM_VARIANTS = 2
NUM_NAMED = 200
BACKGROUND_SHARE, STYLE_SHARE = 0.45, 0.35
_MIRRORED = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class EncodedFaces:
    """All pictures of one split.

    ``latents`` ``(records, 2, 32, rows, columns)`` float16; ``face_masks`` ``(records, 2, 1, rows, columns)`` in [0, 1], float16;
    ``references`` ``(records, 3, 112, 112)`` uint8, aligned to arcface-112; ``person`` ``(records,)`` numbers; ``traits``
    per record and variant.
    """

    latents: Tensor
    face_masks: Tensor
    references: Tensor
    person: Tensor
    traits: list[tuple[Traits, ...]]

    def save(self, path: Path) -> None:
        """Write to ``path`` (safetensors) and ``path`` with ``.json`` (traits)."""
        tensors = {name: getattr(self, name) for name in ("latents", "face_masks", "references", "person")}
        unfinished = path.with_suffix(".partial")
        save_file(tensors, unfinished)
        path.with_suffix(".json").write_text(json.dumps([[asdict(t) for t in row] for row in self.traits]))
        os.replace(unfinished, path)

    @classmethod
    def load(cls, path: Path) -> "EncodedFaces":
        rows = json.loads(path.with_suffix(".json").read_text())
        return cls(**load_file(path), traits=[tuple(Traits(**t) for t in row) for row in rows])


def encode_faces(
    records: Sequence[FaceRecord],
    autoencoder: TinyFaceAutoencoder,
    *,
    pixels: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> EncodedFaces:
    """Make both variants of every record and encode them in batches of 32."""
    people = {person: number for number, person in enumerate(sorted({r.person for r in records}))}
    latents, masks, references, traits = [], [], [], []
    for start in range(0, len(records), 32):
        chunk = records[start : start + 32]
        pictures, rows = [], []
        for offset, record in enumerate(chunk):
            rng = torch.Generator().manual_seed(seed * 1_000_003 + start + offset)
            made = _variants(record, pixels, rng)
            pictures += [picture for picture, _, _ in made]
            masks += [mask for _, mask, _ in made]
            rows.append(tuple(t for _, _, t in made))
            references.append(torch.from_numpy(align(record.image, record.landmarks).image).permute(2, 0, 1))
        traits += rows
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            latents.append(autoencoder.encode(batch)[0].half())
        progress(start + len(chunk))
    side = latents[0].shape[-1]
    all_masks = F.interpolate(torch.from_numpy(np.stack(masks))[:, None], size=(side, side), mode="area")
    return EncodedFaces(
        latents=torch.cat(latents).unflatten(0, (-1, NUM_VARIANTS)),
        face_masks=all_masks.half().unflatten(0, (-1, NUM_VARIANTS)),
        references=torch.stack(references),
        person=torch.tensor([people[r.person] for r in records]),
        traits=traits,
    )


def _variants(record: FaceRecord, pixels: int, rng: torch.Generator) -> list[tuple[np.ndarray, np.ndarray, Traits]]:
    """(picture, face mask, traits) as it is, and mirrored with edits."""
    image = cv2.resize(record.image, (pixels, pixels), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(record.labels, (pixels, pixels), interpolation=cv2.INTER_NEAREST)
    traits = describe(record.numbers, age_years=record.age_years, male=record.male, name=_name_of(record.person))
    face = _dilated(np.isin(labels, FACE_IDS))
    mirrored, edited = image[:, ::-1], mirrored_traits(traits)
    if float(torch.rand((), generator=rng)) < BACKGROUND_SHARE:
        colour = list(BACKGROUND_COLOURS)[int(torch.randint(len(BACKGROUND_COLOURS), (), generator=rng))]
        person = (labels[:, ::-1] != BACKGROUND).astype(np.float32)
        mirrored, edited = exchange_background(mirrored, person, colour, rng), replace(edited, background=colour)
    if float(torch.rand((), generator=rng)) < STYLE_SHARE:
        style = list(STYLES)[int(torch.randint(len(STYLES), (), generator=rng))]
        mirrored, edited = STYLES[style](np.ascontiguousarray(mirrored)), _restyled(edited, style)
    return [(image, face, traits), (np.ascontiguousarray(mirrored), np.ascontiguousarray(face[:, ::-1]), edited)]


def mirrored_traits(traits: Traits) -> Traits:
    """Traits of the mirror image."""
    return replace(
        traits,
        direction=_MIRRORED.get(traits.direction or "", traits.direction),
        light=_MIRRORED.get(traits.light or "", traits.light),
    )


def _restyled(traits: Traits, style: str) -> Traits:
    """A style without colour says nothing of colours."""
    if style in ("pencil", "monochrome", "sepia"):
        return replace(traits, style=style, background=None, hair=None, light=None)
    return replace(traits, style=style, light=None)


def _dilated(mask: np.ndarray) -> np.ndarray:
    """The face, widened by a twentieth of its side, as FACT's own mask is (``fact.md`` 1.1 step 4)."""
    side = max(int(np.sqrt(mask.sum()) / 20), 1)
    return cv2.dilate(mask.astype(np.float32), np.ones((2 * side + 1, 2 * side + 1), np.uint8))


def _name_of(person: str) -> str | None:
    """The first generated people bear the invented names."""
    kind, _, number = person.partition("-")
    return invented_name(int(number)) if kind == "generated" and int(number) < NUM_NAMED else None
