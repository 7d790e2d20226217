"""Opening the frozen generators: the embedded miniature, and folders or hub names in diffusers format."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from limner.adapters.condition import WHOLE_RUN
from limner.apps.quiet import quiet_libraries
from limner.core.assets import WEIGHTS
from limner.core.checkpoint import read_header
from limner.core.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

MINIATURE = "miniature"
GUIDANCE_SCALES = {MINIATURE: 2.0, "sd15": 5.0, "sdxl": 5.0}
"""Guidance by kind of base where the user names none; 5 is what FaceChain-FACT's authors validate with; of
the miniature, 1.5 keeps drawings dark, 2.5 cleans faces and 3.5 bleaches (docs/training-log.md)."""
WINDOWS = {MINIATURE: (0.3, 1.0)}
"""Part of the run in which a person is shown, by kind of base, where the user names none; the miniature lays its
pictures out in the steps before, where the words are followed and less changes beside the face if nobody is shown
(docs/training-log.md)."""
IDENTITY_GUIDANCES = {MINIATURE: 0.12}
"""How far the guide pulls towards the person, by kind of base, where the user names nothing; of other bases not at all,
since nobody has measured it there (docs/training-log.md)."""
LICENCES = {MINIATURE: ("miniature-base", "taef2"), "sd15": ("sd15",), "sdxl": ("sdxl",)}
"""Records in `limner licences` by kind of base; a folder's own terms are the user's to know."""

_MINIATURE_UNET = Path("unet", "model.safetensors")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack"}
_SD15_TEXT_CHANNELS = 768


@dataclass(frozen=True, eq=False)
class Base:
    """A frozen generator.

    Attributes:
        name: as it was asked for.
        kind: key of ``GUIDANCE_SCALES`` and ``LICENCES``; "other" for a base of which no terms are known.
        folder: where it lies; None if it came from the hub.
        pipeline: stock diffusers, text to image.
    """

    name: str
    kind: str
    folder: Path | None
    pipeline: "StableDiffusionPipeline | StableDiffusionXLPipeline"

    @property
    def public_name(self) -> str:
        """A folder's last name only: where it lies on somebody's disk is nobody's business."""
        return self.name if self.folder is None else self.folder.absolute().name

    @property
    def guidance_scale(self) -> float:
        """The default guidance."""
        return GUIDANCE_SCALES.get(self.kind, GUIDANCE_SCALES["sd15"])

    @property
    def window(self) -> tuple[float, float]:
        """The default part of the run in which a person is shown."""
        return WINDOWS.get(self.kind, WHOLE_RUN)

    @property
    def identity_guidance(self) -> float:
        """The default of how far the guide pulls towards the person."""
        return IDENTITY_GUIDANCES.get(self.kind, 0.0)

    @property
    def licences(self) -> tuple[str, ...]:
        """Names of licence records; of a base without one, its own name."""
        return LICENCES.get(self.kind, (self.public_name,))

    def own(self, file: str) -> Path | None:
        """A file that a miniature's folder brings; None if it does not, or the base is another."""
        if self.kind != MINIATURE or self.folder is None or not (self.folder / file).is_file():
            return None
        return self.folder / file


def open_base(name: str | os.PathLike[str], *, device: str | torch.device | None = None) -> Base:
    """Open a generator; the network is used only for a hub name such as ``"owner/model"``.

    Args:
        name: "miniature", a folder, or a hub name.
        device: the best there is if None.

    Raises:
        CheckpointError: it is not there, not of a known layout, or only has weights as pickles.
        ConfigError: there is no such device.
    """
    name = os.fspath(name)
    chosen = _device(device)
    folder = WEIGHTS / MINIATURE if name == MINIATURE else Path(name)
    if name == MINIATURE and not folder.is_dir():
        raise CheckpointError(
            f"the embedded model is missing: there is no {folder}; name another model (--model), or train this one as "
            "docs/training-log.md says"
        )
    if folder.is_dir():
        return _open_miniature(name, folder, chosen) if _is_miniature(folder) else _open_folder(name, folder, chosen)
    if folder.exists():
        raise CheckpointError(f"{name} is a single file; give the folder in diffusers format that holds it")
    if is_hub_name(name):
        return _open_diffusers(name, None, chosen)
    raise CheckpointError(
        f"there is no model {name!r}; give {MINIATURE!r}, a folder in diffusers format, or a hub name like owner/model"
    )


def is_hub_name(name: str) -> bool:
    """Whether this is "owner/model" and no place on this computer."""
    return _HUB_NAME.fullmatch(name) is not None and not Path(name).parent.exists()


def default_device() -> torch.device:
    """CUDA or MPS where there is one, or else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def placed(pipeline: Any, device: torch.device) -> Any:
    """Move a pipeline; on CUDA its denoiser lies as the convolutions of tensor cores read it.

    On a CPU that layout made no difference that could be told from chance, so pictures stay the same to the last bit.
    """
    pipeline.to(device)
    if device.type == "cuda":
        pipeline.unet.to(memory_format=torch.channels_last)
    return pipeline


def _device(wanted: str | torch.device | None) -> torch.device:
    if wanted is None:
        return default_device()
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without CUDA
        told = str(error).splitlines()[0]
        raise ConfigError(f"the device {str(wanted)!r} cannot be used ({told}); leave it out, or say cpu") from error


def _is_miniature(folder: Path) -> bool:
    return (folder / _MINIATURE_UNET).is_file() and not (folder / "model_index.json").exists()


def _open_miniature(name: str, folder: Path, device: torch.device) -> Base:
    read_header(folder / _MINIATURE_UNET)  # before the slow imports
    with quiet_libraries():
        from limner.diffusion.miniature import Miniature

        pipeline = placed(Miniature.load(folder).pipeline(), device)
    pipeline.set_progress_bar_config(disable=True)
    return Base(name, MINIATURE, folder, pipeline)


def _open_folder(name: str, folder: Path, device: torch.device) -> Base:
    if not (folder / "model_index.json").is_file():
        raise CheckpointError(
            f"{name} is neither a miniature nor a folder in diffusers format: it has no model_index.json; save a "
            "pipeline there with `save_pretrained`"
        )
    pickles = ", ".join(str(path.relative_to(folder)) for path in _only_as_pickle(folder))
    if pickles:
        raise CheckpointError(
            f"{name} has weights as pickles only ({pickles}); Limner runs no code from weights: save the pipeline "
            "as safetensors where you trust it"
        )
    return _open_diffusers(name, folder, device)


def _only_as_pickle(folder: Path) -> Iterator[Path]:
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not any(part.glob("*.safetensors")):
            yield from sorted(path for path in part.iterdir() if path.suffix in _PICKLES)


def _open_diffusers(name: str, folder: Path | None, device: torch.device) -> Base:
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    with quiet_libraries(keep_bars=folder is None):
        from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
        from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

        try:
            pipeline = AutoPipelineForText2Image.from_pretrained(
                folder or name, use_safetensors=True, dtype=dtype, local_files_only=folder is not None
            )
        except Exception as error:  # diffusers, transformers and the hub raise anything on what is missing or broken
            told = str(error).strip().splitlines() or [type(error).__name__]
            raise CheckpointError(
                f"{name} cannot be opened by diffusers ({told[0]}); check the name and the files"
            ) from error
    if not isinstance(pipeline, StableDiffusionPipeline | StableDiffusionXLPipeline):
        raise CheckpointError(
            f"{name} is a {type(pipeline).__name__}; give Stable Diffusion 1.5 or XL, in the layout of diffusers"
        )
    kind = "sdxl" if isinstance(pipeline, StableDiffusionXLPipeline) else "sd15"
    if kind == "sd15" and pipeline.unet.config["cross_attention_dim"] != _SD15_TEXT_CHANNELS:
        kind = "other"
    placed(pipeline, device).set_progress_bar_config(disable=True)
    return Base(name, kind, folder, pipeline)
