"""ControlNets: how a head is held and what a picture is built like, through diffusers' own pipelines."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limner.apps.pictures import fitted
from limner.apps.quiet import quiet_libraries
from limner.core.errors import AdapterError, CheckpointError, ConfigError
from limner.faces.analysis import FaceAnalyzer
from limner.faces.conditions import Kind, condition_picture
from limner.identity.enrolment import Photo, read_photo

if TYPE_CHECKING:
    from limner.apps.bases import Base

POSE_FILE = "pose.safetensors"
"""Where a miniature's folder keeps its own ControlNet of face lines."""
_SAME = ("in_channels", "block_out_channels", "cross_attention_dim", "layers_per_block")
"""What a ControlNet copies of the denoiser it was made for."""


@dataclass(frozen=True, eq=False)
class Control:
    """A ControlNet and what it is shown.

    Attributes:
        network: diffusers' ControlNet, on the base's device, in its precision.
        photo: RGB uint8 (height, width, 3).
        kind: what is made of the photo, see :func:`limner.faces.conditions.condition_picture`.
        scale: how strongly it is followed.
        licence: name of the network's record in `limner licences`; None for a user's own, whose terms they know.
    """

    network: Any
    photo: np.ndarray
    kind: Kind
    scale: float = 1.0
    licence: str | None = None

    @property
    def licences(self) -> tuple[str, ...]:
        """What a picture that follows it comes from besides."""
        return () if self.licence is None else (self.licence,)

    def picture(self, size: tuple[int, int], analyzer: FaceAnalyzer) -> np.ndarray:
        """The condition picture at the size of what is drawn, RGB uint8 (height, width, 3).

        Raises:
            NoFaceError: the photo has no face.
        """
        return condition_picture(fitted(self.photo, *size), self.kind, analyzer)


def open_control(
    path: str | os.PathLike[str], photo: Photo, base: "Base", *, kind: Kind = "landmarks", scale: float = 1.0
) -> Control:
    """A ControlNet from a folder in diffusers format.

    Args:
        path: folder with ``config.json`` and weights as safetensors.
        photo: whose pose, or what condition picture, is to be followed.
        kind: "landmarks", "parsing", or "picture" for a condition picture of the user's own.
        scale: 1 is what it was trained with.

    Raises:
        CheckpointError: there is no ControlNet in the folder.
        AdapterError: it was made for another base.
        ImageError: the photo cannot be read.
        ConfigError: the scale is out of range.
    """
    _require_scale(scale)
    seen = read_photo(photo, "the photo to follow")
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json; give the folder of a ControlNet in diffusers format")
    with quiet_libraries():
        from diffusers.models.controlnets.controlnet import ControlNetModel

        try:
            network: Any = ControlNetModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        except Exception as error:  # diffusers raises anything on what is missing or broken
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CheckpointError(f"{folder} cannot be opened as a ControlNet ({told}); check the files") from error
    unet: Any = base.pipeline.unet
    for name in _SAME:
        if _plain(network.config[name]) != _plain(unet.config[name]):
            raise AdapterError(
                f"{folder} was made for another base: its {name} is {network.config[name]}, this base has "
                f"{unet.config[name]}; use a ControlNet made for this base"
            )
    return Control(network.requires_grad_(False).eval().to(unet.device, unet.dtype), seen, kind, scale)


def open_own_pose(photo: Photo, base: "Base", *, scale: float = 1.0) -> Control:
    """The pose of a photo, followed by the ControlNet that the base itself brings.

    Raises:
        ConfigError: the base brings none, or the scale is out of range.
        CheckpointError, AdapterError: its file is broken, or of another base.
        ImageError: the photo cannot be read.
    """
    _require_scale(scale)
    path = base.own(POSE_FILE)
    if path is None:
        raise ConfigError(
            f"{base.name} brings no ControlNet of its own, so it cannot follow a pose by itself; name one made for it "
            "(--control and --control-photo), or train the miniature's: limner train recipes/miniature-pose.toml"
        )
    seen = read_photo(photo, "the photo to follow")
    with quiet_libraries():
        from limner.diffusion.pose_control import load_pose_control, pose_licence

        network = load_pose_control(path, base.pipeline.unet)
    return Control(network, seen, "landmarks", scale, pose_licence(path))


def _require_scale(scale: float) -> None:
    if not 0 <= scale < float("inf"):
        raise ConfigError(f"the control scale is {scale}; give a number from 0 on, 1 is what it was trained with")


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
