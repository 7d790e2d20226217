"""TransFace-S as FaceChain-FACT releases it, brought into Limner's format.

The released file is a plain state dict. Its trunk has our names; its recognition head (``senet``, ``feature``) sits
beside the trunk instead of under ``head``; its ``mask_token`` is used in training only and is left behind.
"""

import os
from collections.abc import Mapping

from torch import Tensor

from limner.core.checkpoint import Header, load_into, read_foreign_state_dict
from limner.identity.encoder import empty_encoder, save_encoder
from limner.identity.recognition import TRANSFACE_SPACE
from limner.identity.vit import ReweightedHead, ViTConfig

LICENCE = "transface-s"
HEAD_PARTS = ("senet.", "feature.")
TRAINING_ONLY = "mask_token"


def translate(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Released names to those of :class:`~limner.identity.vit.FaceViT` with its ``ReweightedHead``."""
    return {
        f"head.{name}" if name.startswith(HEAD_PARTS) else name: tensor
        for name, tensor in released.items()
        if name != TRAINING_ONLY
    }


def convert_transface(
    source: str | os.PathLike[str], target: str | os.PathLike[str], config: ViTConfig | None = None
) -> Header:
    """Turn ``ms1mv2_model_TransFace_S.pt`` into a Limner checkpoint.

    Args:
        source: the released file; read as plain tensors, no code in it is run.
        target: the safetensors file to write.
        config: sizes, if they are not those of TransFace-S.

    Raises:
        CheckpointError: the source is no plain state dict, or keys are missing, unexpected or of another shape.
        InputError: the target cannot be written.
    """
    model = empty_encoder(config or ViTConfig(), ReweightedHead)
    tensors = translate(read_foreign_state_dict(source))
    load_into(model, tensors, source)
    return save_encoder(target, model, feature_space=TRANSFACE_SPACE, licence=LICENCE)
