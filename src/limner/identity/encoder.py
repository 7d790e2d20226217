"""Face transformers on disk, and the recogniser that runs one: the encoder whose tokens adapters read."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from limner.core.assets import asset_path
from limner.core.checkpoint import Header, load_checkpoint, load_into, quantize, save_checkpoint
from limner.core.errors import CheckpointError
from limner.faces.face import AlignedFace
from limner.identity.conv_patches import ConvPatches
from limner.identity.recognition import ARCFACE_TEMPLATE, ArcFaceAligned, IdentityEmbedding, Role, stack_faces
from limner.identity.vit import FaceViT, LinearPatches, MeanHead, ReweightedHead, ViTConfig

SYSTEM = "face-vit"
LAYOUT_VERSION = "1"
MINIATURE_ENCODER = "miniature/encoder.safetensors"
Part = Callable[[ViTConfig], nn.Module]
HEADS: Mapping[str, Part] = {"mean": MeanHead, "reweighted": ReweightedHead}
"""What a checkpoint may name as its head."""
PATCHES: Mapping[str, Part] = {"linear": LinearPatches, "convolutional": ConvPatches}
"""What a checkpoint may name as its patches; one that names none has linear ones."""


class EncoderRecognizer(ArcFaceAligned):
    """A face transformer from a Limner checkpoint; the packaged one if no path is given.

    Raises:
        CheckpointError: the file is missing or holds something else.
    """

    role: Role = "encoder"
    faces_per_call = 64

    def __init__(self, path: str | os.PathLike[str] | None = None, *, device: torch.device | str = "cpu") -> None:
        model, header = load_encoder(asset_path(MINIATURE_ENCODER) if path is None else Path(path))
        self.feature_space = str(header.feature_space)
        self.licence = header.licence
        self.model = model.to(device).requires_grad_(False)

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        return IdentityEmbedding.from_raw(self.feature_space, self._run(self.model, faces).numpy())

    def tokens(self, faces: Sequence[AlignedFace]) -> Tensor:
        """Face features, float32 on the CPU, (faces, patches, width)."""
        return self._run(self.model.tokens, faces)

    def _run(self, function: Callable[[Tensor], Tensor], faces: Sequence[AlignedFace]) -> Tensor:
        images = images_to_tensor(stack_faces(faces, self.template, self.feature_space))
        with torch.no_grad():
            device = self.model.pos_embed.device
            parts = [function(part.to(device)).float().cpu() for part in images.split(self.faces_per_call)]
        return torch.cat(parts)


def images_to_tensor(images: np.ndarray) -> Tensor:
    """RGB uint8 (batch, height, width, 3) -> float32 (batch, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def save_encoder(
    path: str | os.PathLike[str],
    model: FaceViT,
    *,
    feature_space: str,
    licence: str,
    eight_bit: bool = False,
    recognizers: Mapping[str, str] | None = None,
) -> Header:
    """Write a face transformer with what is needed to build it again.

    Args:
        feature_space: name of the space its embeddings and tokens live in.
        licence: name of its record in `limner licences`.
        eight_bit: store big matrices in 8 bits, see :func:`limner.core.checkpoint.quantize`.
        recognizers: feature space -> role of the recognisers that took part in its training.

    Raises:
        InputError: the file cannot be written.
    """
    parts = {"head": _name_of(model.head, HEADS), "patches": _name_of(model.patch_embed, PATCHES)}
    header = Header(
        system=SYSTEM,
        version=LAYOUT_VERSION,
        feature_space=feature_space,
        template=ARCFACE_TEMPLATE,
        licence=licence,
        config={**dataclasses.asdict(model.config), **parts},
        recognizers=dict(recognizers or {}),
    )
    tensors = model.state_dict()
    save_checkpoint(path, quantize(tensors) if eight_bit else tensors, header)
    return header


def load_encoder(path: str | os.PathLike[str]) -> tuple[FaceViT, Header]:
    """Read a face transformer, in evaluation mode on the CPU.

    Raises:
        CheckpointError: the file is missing, broken, of another system, or its weights do not fit its own header.
    """
    tensors, header = load_checkpoint(path, expect_system=SYSTEM)
    if not header.feature_space or header.template != ARCFACE_TEMPLATE:
        raise CheckpointError(
            f"{path} has the feature space {header.feature_space!r} and template {header.template!r}, expected a named "
            f"space and {ARCFACE_TEMPLATE!r}; write it with `save_encoder`"
        )
    model = empty_encoder(*_construction(header, path))
    load_into(model, tensors, path)
    return model.eval(), header


def empty_encoder(config: ViTConfig, head: Part, patches: Part = LinearPatches) -> FaceViT:
    """A transformer with undefined weights, about to be overwritten: initialising would take longer than loading."""
    with torch.device("meta"):
        model = FaceViT(config, head=head, patches=patches)
    return model.to_empty(device="cpu")


def _name_of(part: nn.Module, kinds: Mapping[str, Part]) -> str:
    return next(name for name, kind in kinds.items() if type(part) is kind)


def _construction(header: Header, path: str | os.PathLike[str]) -> tuple[ViTConfig, Part, Part]:
    settings = dict(header.config)
    head, patches = settings.pop("head", None), settings.pop("patches", "linear")
    for name, part, kinds in (("head", head, HEADS), ("patches", patches, PATCHES)):
        if part not in kinds:
            raise CheckpointError(f"{path} names the {name} {part!r}, known are {', '.join(kinds)}; update Limner")
    try:
        config = _CONFIG.validate_json(json.dumps(settings), strict=True, extra="forbid")
    except ValidationError as error:
        problem = error.errors()[0]
        told = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        raise CheckpointError(f"{path} has a config that this version cannot read ({told}); update Limner") from error
    return config, HEADS[str(head)], PATCHES[str(patches)]


_CONFIG = TypeAdapter(ViTConfig)
