"""Training pictures of the miniature, encoded once: latents, face masks, reference crops and traits.

Each record gives two variants: as it is, and mirrored with, often, another background or an art style. Pictures are
kept as latents, so that a training step pays for the denoiser only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.captions import Traits
from limner.data.record import FaceRecord
from limner.data.variants import NUM_VARIANTS, variants_of
from limner.diffusion.autoencoder import TinyFaceAutoencoder, with_statistics
from limner.faces.alignment import align


@dataclass(frozen=True)
class EncodedFaces:
    """All pictures of one split.

    ``latents`` ``(records, 2, 32, rows, columns)`` float16; ``face_masks`` ``(records, 2, 1, rows, columns)`` in [0,
    1], float16; ``references`` ``(records, 3, 112, 112)`` uint8, aligned to arcface-112; ``person`` ``(records,)``
    numbers; ``traits`` per record and variant.
    """

    latents: Tensor
    face_masks: Tensor
    references: Tensor
    person: Tensor
    traits: list[tuple[Traits, ...]]

    def save(self, path: Path) -> None:
        """Write to ``path`` (safetensors) and ``path`` with ``.json`` (traits)."""
        tensors = {name: getattr(self, name).contiguous() for name in ("latents", "face_masks", "references", "person")}
        save_traits(path.with_suffix(".json"), self.traits)
        with replacing(path) as unfinished:
            save_file(tensors, unfinished)

    @classmethod
    def load(cls, path: Path) -> "EncodedFaces":
        """What was saved.

        Raises:
            InputError: another version of Limner wrote it.
        """
        return cls(**load_file(path), traits=load_traits(path.with_suffix(".json")))


def save_traits(path: Path, traits: Sequence[tuple[Traits, ...]]) -> None:
    """Write what the variants of each record show, as JSON."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps([[asdict(one) for one in row] for row in traits]))


def load_traits(path: Path) -> list[tuple[Traits, ...]]:
    """What :func:`save_traits` wrote.

    Raises:
        InputError: another version of Limner wrote it.
    """
    try:
        return [tuple(Traits(**one) for one in row) for row in json.loads(path.read_text())]
    except TypeError as error:
        raise InputError(
            f"{path} was written by another version of Limner ({error}); delete {path.parent}, it is made anew"
        ) from error


def encode_faces(
    records: Sequence[FaceRecord],
    autoencoder: TinyFaceAutoencoder,
    *,
    pixels: int,
    seed: int,
    half: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> EncodedFaces:
    """Make both variants of every record and encode them in batches of 32; each record is asked for once.

    ``half`` lets the autoencoder compute in bfloat16: half the time on processors that do, and latents 1.4 % of their
    spread from those in float32.

    Raises:
        ValueError: there are no records.
    """
    if not records:
        raise ValueError("there are no records to encode")
    kept: EncodedFaces | None = None
    names: list[str] = []
    for start in range(0, len(records), 32):
        chunk = records[start : start + 32]
        pictures, masks, references, rows = [], [], [], []
        for offset, record in enumerate(chunk):
            rng = torch.Generator().manual_seed(seed * 1_000_003 + start + offset)
            made = variants_of(record, pixels=pixels, rng=rng)
            pictures += [variant.picture for variant in made]
            masks += [variant.face_mask for variant in made]
            rows.append(tuple(variant.traits for variant in made))
            references.append(align(record.image, record.landmarks).image)
        names += [record.person for record in chunk]
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            latents = autoencoder.encode(batch)[0].half().unflatten(0, (-1, NUM_VARIANTS))
        kept = kept or _room_for(len(records), tuple(latents.shape[1:]), references[0].shape)
        here = slice(start, start + len(chunk))
        kept.latents[here] = latents
        small = F.interpolate(torch.from_numpy(np.stack(masks))[:, None], size=latents.shape[-2:], mode="area")
        kept.face_masks[here] = small.unflatten(0, (-1, NUM_VARIANTS))
        kept.references[here] = torch.from_numpy(np.stack(references)).permute(0, 3, 1, 2)
        kept.traits.extend(rows)
        progress(start + len(chunk))
    assert kept is not None  # there are records
    people = {person: number for number, person in enumerate(sorted(set(names)))}
    kept.person.copy_(torch.tensor([people[name] for name in names]))
    return kept


def _room_for(records: int, latents: tuple[int, ...], picture: tuple[int, ...]) -> EncodedFaces:
    """Taken at once: what is kept piece by piece lies between what is thrown away, and the memory in between, hundreds
    of kilobytes a picture, is lost where freed memory is not handed back (:mod:`limner.core.allocation`)."""
    return EncodedFaces(
        latents=torch.empty((records, *latents), dtype=torch.float16),
        face_masks=torch.empty((records, latents[0], 1, *latents[-2:]), dtype=torch.float16),
        references=torch.empty((records, picture[2], *picture[:2]), dtype=torch.uint8),
        person=torch.empty(records, dtype=torch.long),
        traits=[],
    )


def latent_statistics(
    autoencoder: TinyFaceAutoencoder, records: Sequence[FaceRecord], *, pixels: int, seed: int
) -> TinyFaceAutoencoder:
    """The autoencoder with latents standardised over (at most) 512 of the records."""
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(records), generator=rng)[:512].tolist()
    pictures = [variants_of(records[i], pixels=pixels, rng=rng)[0].picture for i in chosen]
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        latents = torch.cat([autoencoder.encode(part)[0] for part in batch.split(32)])
    return with_statistics(autoencoder, latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3)))
