"""ComfyUI's folders and pictures: files by names from its own lists, never by path; tensors to pictures and back."""

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limner.core.errors import ConfigError, ImageError, MissingExtraError

KIND = "limner"
"""Name of the folder below ComfyUI's ``models``, and of its list."""
CARD_SUFFIX = ".identity.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}")


def folders() -> Any:
    """ComfyUI's module ``folder_paths``, which knows Limner's folder from then on.

    Raises:
        MissingExtraError: this is not ComfyUI.
    """
    try:
        found = import_module("folder_paths")
    except ImportError as error:
        raise MissingExtraError(
            "these nodes run inside ComfyUI, whose module folder_paths is missing here; put integrations/comfyui into "
            "ComfyUI's custom_nodes"
        ) from error
    if KIND not in found.folder_names_and_paths:
        found.add_model_folder_path(KIND, str(Path(found.models_dir) / KIND))
    return found


def model_files() -> list[str]:
    """Adapters and encoders, as ComfyUI lists them."""
    return [name for name in _safetensors() if not name.endswith(CARD_SUFFIX)]


def card_files() -> list[str]:
    """Identity cards, as ComfyUI lists them."""
    return [name for name in _safetensors() if name.endswith(CARD_SUFFIX)]


def listed_file(name: str) -> Path:
    """Where a file of the list lies.

    Raises:
        ConfigError: it is not in the list.
    """
    path = folders().get_full_path(KIND, name) if name in _safetensors() else None
    if path is None:
        raise ConfigError(f"there is no {name!r} in models/{KIND}; choose one from the list")
    return Path(path)


def new_card(name: str) -> Path:
    """Where a card of this name is to be written.

    Raises:
        ConfigError: the name could be a path, or is empty or too long.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r:.80} cannot be a card's name; take up to 64 letters, digits, spaces, - and _")
    return Path(folders().get_folder_paths(KIND)[0]) / f"{name}{CARD_SUFFIX}"


def input_pictures() -> list[str]:
    """Files in ComfyUI's input folder."""
    folder = Path(folders().get_input_directory())
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def pictures_of(images: Tensor) -> list[np.ndarray]:
    """Of an IMAGE, float ``(batch, height, width, 3 or 4)`` in [0, 1]: RGB uint8 pictures; transparency is dropped.

    Raises:
        ImageError: it has another shape.
    """
    if images.ndim != 4 or images.shape[-1] not in (3, 4) or not len(images):
        raise ImageError(f"an IMAGE of shape {tuple(images.shape)}; expected (batch, height, width, 3)")
    values = (images[..., :3].float().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(values.cpu().numpy())


def image_of(pictures: Sequence[np.ndarray]) -> Tensor:
    """An IMAGE of RGB uint8 pictures of one size."""
    return torch.from_numpy(np.stack(pictures)).float() / 255


def _safetensors() -> list[str]:
    return [name for name in folders().get_filename_list(KIND) if name.endswith(".safetensors")]
