"""Shards of records as a source of portraits, read when they are needed, with kept tensors where there are any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from limner.core.errors import InputError
from limner.data.captions import caption, describe
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex
from limner.faces.alignment import align
from limner.faces.parsing import region_mask
from limner.systems.contract import Batch, Plan
from limner.systems.portraits import CONTEXT, FACES, FEATURES, LATENTS, PICTURES, POOLED

KEPT = (LATENTS, CONTEXT, POOLED, FEATURES)
"""Kinds of tensors that shards may hold."""
MaskRegion = Literal["face", "head"]


@dataclass(frozen=True)
class PortraitFormat:
    """How records become rows.

    Attributes:
        pixels: side of the pictures.
        mask_side: side of the face masks.
        mask_region: what counts as the face: without hair ("face") or with ("head").
        kept: name in the shards, by kind, of what is not to be computed again; see ``data.caching``.
    """

    pixels: int
    mask_side: int
    mask_region: MaskRegion
    kept: dict[str, str]


class ShardPortraits:
    """The training records of a folder of shards; see :class:`limner.systems.portraits.Portraits`."""

    num_variants = 1

    def __init__(
        self, index: ShardIndex, form: PortraitFormat, tokenize: Callable[[Sequence[str]], dict[str, Tensor]]
    ) -> None:
        """``tokenize``: sentences -> token ids by tokenizer.

        Raises:
            InputError: the shards hold no training record.
        """
        self.index, self.form, self.tokenize = index, form, tokenize
        self._area: Tensor | None = None
        self.people = index.people_in("train")
        if not self.people:
            raise InputError(f"{index.folder} holds no training records; make shards with more people")

    @property
    def face_area(self) -> Tensor:
        """Read from all records, when first asked for."""
        if self._area is None:
            regions = (region_mask(self.index[n].labels, self.form.mask_region) for n in range(len(self.index)))
            self._area = torch.tensor([float(region.mean()) for region in regions])
        return self._area

    def load(self, plan: Plan) -> Batch:
        targets = {number: self.index[number] for number in set(plan["record"].tolist())}
        rows = [targets[number] for number in plan["record"].tolist()]
        faces = [targets.get(number) or self.index[number] for number in plan["reference"].tolist()]
        batch = {"face_mask": torch.stack([face_mask(record, self.form) for record in rows])}
        batch |= self._pictures(rows) | self._faces(faces)
        if CONTEXT in self.form.kept:
            return batch | self._kept(rows, CONTEXT) | (self._kept(rows, POOLED) if POOLED in self.form.kept else {})
        chances = zip(rows, plan["text_seed"].tolist(), plan["keep_text"].tolist(), strict=True)
        return batch | self.tokenize([sentence_of(record, seed) if kept else "" for record, seed, kept in chances])

    def _pictures(self, rows: Sequence[FaceRecord]) -> Batch:
        sides = [[*record.image.shape[:2], 0, 0, self.form.pixels, self.form.pixels] for record in rows]
        sizes = {"sizes": torch.tensor(sides, dtype=torch.float32)}
        if LATENTS in self.form.kept:
            return sizes | self._kept(rows, LATENTS)
        return sizes | {PICTURES: torch.stack([picture_of(record, self.form.pixels) for record in rows])}

    def _faces(self, references: Sequence[FaceRecord]) -> Batch:
        if FEATURES in self.form.kept:
            return self._kept(references, FEATURES)
        return {FACES: torch.stack([aligned_face(record) for record in references])}

    def _kept(self, rows: Sequence[FaceRecord], kind: str) -> Batch:
        name = self.form.kept[kind]
        missing = [record.key for record in rows if name not in record.cached]
        if missing:
            raise InputError(f"the record {missing[0]} of {self.index.folder} holds no {name}; keep it in all shards")
        return {kind: torch.stack([torch.from_numpy(record.cached[name]) for record in rows])}


def picture_of(record: FaceRecord, pixels: int) -> Tensor:
    """The picture ``(3, pixels, pixels)`` in [-1, 1].

    Raises:
        InputError: it is not square.
    """
    height, width = record.image.shape[:2]
    if height != width:
        raise InputError(f"the picture of {record.key} is {width} x {height}; `limner data prepare` makes square ones")
    image = record.image
    if height != pixels:
        image = np.asarray(Image.fromarray(image).resize((pixels, pixels), Image.Resampling.LANCZOS))
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 127.5 - 1


def face_mask(record: FaceRecord, form: PortraitFormat) -> Tensor:
    """``(1, mask_side, mask_side)`` in [0, 1], widened by a twentieth of the face's side, as FACT's mask is."""
    region = torch.from_numpy(region_mask(record.labels, form.mask_region)).float()[None, None]
    margin = max(int(float(region.sum()) ** 0.5 / 20), 1)
    widened = F.max_pool2d(region, 2 * margin + 1, stride=1, padding=margin)
    return F.interpolate(widened, size=(form.mask_side, form.mask_side), mode="area")[0]


def aligned_face(record: FaceRecord) -> Tensor:
    """``(3, 112, 112)`` uint8."""
    return torch.from_numpy(align(record.image, record.landmarks).image).permute(2, 0, 1)


def sentence_of(record: FaceRecord, seed: int) -> str:
    """The record's caption, or one made of its attributes."""
    if record.caption is not None:
        return record.caption
    traits = describe(record.numbers, age_years=record.age_years, male=record.male)
    return caption(traits, torch.Generator().manual_seed(seed))
