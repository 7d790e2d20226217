"""Tiny random backbones of the five kinds every adapter must live in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.transformers.pixart_transformer_2d import PixArtTransformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.decoupled import DecoupledFaceAdapter
from limner.adapters.life_cycle import SeamAdapter
from limner.adapters.memory import FaceMemory
from limner.adapters.seam import Blocks
from limner.adapters.sparse import Sparse

TEXT_CHANNELS = 12
FACE_CHANNELS = 10
FACE_TOKENS = 5


@dataclass(frozen=True)
class Kind:
    """One kind of backbone: how to build it, what to feed it, which blocks the adapter takes."""

    name: str
    build: Callable[[], nn.Module]
    extras: Callable[[int], dict[str, Any]]
    blocks: Blocks = "all"

    def inputs(self, rows: int, seed: int = 0) -> dict[str, Any]:
        random = torch.Generator().manual_seed(seed)
        latents = torch.randn(rows, 4, 8, 8, generator=random)
        text = torch.randn(rows, 3, TEXT_CHANNELS, generator=random)
        timestep = torch.linspace(100, 700, rows).long()
        first = "hidden_states" if self.name == "pixart" else "sample"
        return {first: latents, "timestep": timestep, "encoder_hidden_states": text, **self.extras(rows)}


def run(backbone: nn.Module, inputs: dict[str, Any]) -> Tensor:
    """The backbone's prediction, ``(rows, channels, height, width)``."""
    return backbone(**inputs, return_dict=False)[0]


def rows_of(inputs: dict[str, Any], rows: list[int]) -> dict[str, Any]:
    """Some rows of a batch of inputs."""
    return {
        name: value[rows] if isinstance(value, Tensor) else {k: v if v is None else v[rows] for k, v in value.items()}
        for name, value in inputs.items()
    }


def faces(people: int, tokens: int = FACE_TOKENS, seed: int = 1) -> Tensor:
    """Face tokens of so many people."""
    return torch.randn(people, tokens, FACE_CHANNELS, generator=torch.Generator().manual_seed(seed))


def awake(
    backbone: nn.Module, kind: "Kind | None" = None, seed: int = 2, channels: int = FACE_CHANNELS
) -> GatedFaceAdapter:
    """An adapter as if trained: every weight random, the gates open."""
    adapter = GatedFaceAdapter.for_backbone(backbone, face_channels=channels, blocks=kind.blocks if kind else "all")
    randomise(adapter, seed)
    return adapter.eval()


def _gated(backbone: nn.Module, blocks: Blocks) -> SeamAdapter:
    return GatedFaceAdapter.for_backbone(backbone, face_channels=FACE_CHANNELS, blocks=blocks)


def _parallel(backbone: nn.Module, blocks: Blocks) -> SeamAdapter:
    return GatedFaceAdapter.for_backbone(backbone, face_channels=FACE_CHANNELS, blocks=blocks, order="parallel")


def _fast(kind: type[GatedFaceAdapter], backbone: nn.Module, blocks: Blocks) -> SeamAdapter:
    return kind.for_backbone(backbone, face_channels=FACE_CHANNELS, blocks=blocks)


def _decoupled(backbone: nn.Module, blocks: Blocks) -> SeamAdapter:
    return DecoupledFaceAdapter.for_backbone(backbone, face_channels=FACE_CHANNELS, blocks=blocks)


class _Sparse(GatedFaceAdapter):
    """Every call of a scope but the first is sparse."""

    def conditioned(self, *args: Any, **options: Any) -> Any:
        return super().conditioned(*args, **{"sparse": Sparse(share=0.5, start=0.0)} | options)


class _Remembering(GatedFaceAdapter):
    """Every face but the first sight of it comes from a memory."""

    memory = FaceMemory()

    def conditioned(self, *args: Any, **options: Any) -> Any:
        if not self.training:
            with super().conditioned(*args, **{"memory": self.memory} | options):
                pass
        return super().conditioned(*args, **{"memory": self.memory} | options)


@dataclass(frozen=True)
class Design:
    """One design of adapter: how to make a fresh one."""

    name: str
    fresh: Callable[[nn.Module, Blocks], SeamAdapter]
    calls: int = 1
    """How often a backbone is called until what is special about it is seen."""

    def run(self, backbone: nn.Module, inputs: dict[str, Any]) -> Tensor:
        """The backbone's last prediction, ``(rows, channels, height, width)``."""
        for _ in range(self.calls - 1):
            run(backbone, inputs)
        return run(backbone, inputs)

    def awake(self, backbone: nn.Module, kind: Kind, seed: int = 2) -> SeamAdapter:
        """As if trained: every weight random, the gates open."""
        adapter = self.fresh(backbone, kind.blocks)
        randomise(adapter, seed)
        return adapter.eval()


DESIGNS = [Design("gated", _gated), Design("parallel", _parallel), Design("decoupled", _decoupled)]
FAST_PATHS = [
    Design("sparse", lambda backbone, blocks: _fast(_Sparse, backbone, blocks), calls=2),
    Design("remembering", lambda backbone, blocks: _fast(_Remembering, backbone, blocks)),
]


def randomise(module: nn.Module, seed: int) -> None:
    """Random weights large enough to be seen in every output."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.4 + (0.5 if parameter.ndim == 0 else 0))


def _unet(**changes: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sample_size": 8,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": TEXT_CHANNELS,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**(settings | changes)).eval()


def sd15() -> UNet2DConditionModel:
    return _unet()


def sd2() -> UNet2DConditionModel:
    return _unet(
        use_linear_projection=True,
        attention_head_dim=(2, 4),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )


def sdxl() -> UNet2DConditionModel:
    return _unet(
        use_linear_projection=True,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * 6 + TEXT_CHANNELS,
    )


def pixart() -> PixArtTransformer2DModel:
    torch.manual_seed(0)
    return PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=16,
        sample_size=8,
        caption_channels=TEXT_CHANNELS,
    ).eval()


def _sdxl_extras(rows: int) -> dict[str, Any]:
    random = torch.Generator().manual_seed(3)
    text = torch.randn(rows, TEXT_CHANNELS, generator=random)
    return {"added_cond_kwargs": {"text_embeds": text, "time_ids": torch.ones(rows, 6)}}


def _nothing(rows: int) -> dict[str, Any]:
    return {}


def _no_sizes(rows: int) -> dict[str, Any]:
    return {"added_cond_kwargs": {"resolution": None, "aspect_ratio": None}}


KINDS = [
    Kind("sd15", sd15, _nothing),
    Kind("sd2", sd2, _nothing),
    Kind("sdxl", sdxl, _sdxl_extras),
    Kind("sdxl-first", sdxl, _sdxl_extras, blocks="first"),
    Kind("pixart", pixart, _no_sizes),
]
CHANNELS_LAST = Kind("sd15-channels-last", lambda: sd15().to(memory_format=torch.channels_last), _nothing)  # pyright: ignore[reportCallIssue]
