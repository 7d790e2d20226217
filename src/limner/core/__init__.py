"""Ground of everything else: errors, pictures, checkpoints, settings, licences. Knows neither faces nor diffusion."""

from limner.core.assets import asset_path
from limner.core.checkpoint import (
    Header,
    load_checkpoint,
    load_into,
    quantize,
    read_foreign_state_dict,
    read_header,
    save_checkpoint,
    widen,
)
from limner.core.config import Config
from limner.core.files import replacing
from limner.core.images import encode_png, read_image, write_png
from limner.core.licences import Licence, all_licences, licence_of, require_commercial

__all__ = [
    "Config",
    "Header",
    "Licence",
    "all_licences",
    "asset_path",
    "encode_png",
    "licence_of",
    "load_checkpoint",
    "load_into",
    "quantize",
    "read_foreign_state_dict",
    "read_header",
    "read_image",
    "replacing",
    "require_commercial",
    "save_checkpoint",
    "widen",
    "write_png",
]
