"""One step of a denoiser with random weights: alone, with Limner's adapter, and with what others put there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.attention import FaceKeys, GatedFaceAttention, Increments
from limner.adapters.seam import Site
from limner.adapters.sparse import Sparse

ROWS, TEXT_TOKENS, FACE_TOKENS, EARLY, LATE = 2, 77, 16, 900, 300
VARIANTS = ("base", "exact", "sparse", "explicit", "ip-adapter 4", "ip-adapter 16", "controlnet")
IMAGE_CHANNELS = 1024
"""Of the CLIP picture embedding that IP-Adapter reads."""


class ExplicitFaceAttention(GatedFaceAttention):
    """The formula as it is written: every row asks, the scores are stored, the face is projected at each step."""

    def face_keys(self, face_tokens: Tensor) -> FaceKeys:
        return FaceKeys(face_tokens, face_tokens)

    def forward(
        self,
        visual: Tensor,
        face: FaceKeys,
        *,
        scale: float | Tensor = 1.0,
        face_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Increments:
        attended = (scale * self.alpha_attn.tanh()) * self.attention(visual, face.keys)
        return Increments(attended, (scale * self.alpha_dense.tanh()) * self.ff(self.norm2(visual + attended)))

    def attention(self, visual: Tensor, face_tokens: Tensor) -> Tensor:
        """The gate's inner part for ``(batch, positions, channels)`` and ``(batch, tokens, face_channels)``."""
        rows = self.norm1(torch.cat([visual, self.linear(face_tokens)], dim=1))
        q, k, v = (
            part(rows).unflatten(-1, (self.attn.heads, -1)).transpose(1, 2)
            for part in (self.attn.to_q, self.attn.to_k, self.attn.to_v)
        )
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
        mixed = torch.einsum("bhij,bhjd->bhid", scores.softmax(dim=-1), v)
        return self.attn.to_out(mixed.transpose(1, 2).flatten(2))[:, : visual.shape[1]]


class ExplicitFaceAdapter(GatedFaceAdapter):
    """The same weights, computed the other way."""

    def new_layer(self, site: Site) -> GatedFaceAttention:
        return ExplicitFaceAttention(site.channels, self.face_channels, heads=site.heads)


@dataclass
class Step:
    """One variant, ready to be called.

    Attributes:
        begin: what comes before the first call.
        close: what comes after the last.
    """

    unet: Any
    call: Callable[[], Any]
    begin: Callable[[], Any] = lambda: None
    close: Callable[[], Any] = lambda: None


def build(settings: dict[str, Any], side: int, variant: str, *, device: str, dtype: torch.dtype) -> Step:
    """A variant of one step; two rows, guided.

    Args:
        settings: of the UNet.
        side: of the latents.
    """
    with torch.device(device):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(**settings).eval().requires_grad_(False).to(dtype)
        inputs: dict[str, Any] = {
            "sample": torch.randn(ROWS, 4, side, side, dtype=dtype),
            "timestep": LATE,
            "encoder_hidden_states": torch.randn(ROWS, TEXT_TOKENS, unet.config.cross_attention_dim, dtype=dtype),
        }
        if unet.config.addition_embed_type == "text_time":
            pooled = torch.randn(ROWS, 1280, dtype=dtype)
            inputs["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": torch.ones(ROWS, 6, dtype=dtype)}
        makers = {"controlnet": _controlnet, "ip-adapter 4": _ip_adapter, "ip-adapter 16": _ip_adapter}
        step = makers.get(variant, _face)(unet, inputs, variant)
    step.begin()
    return step


def _face(unet: Any, inputs: dict[str, Any], variant: str) -> Step:
    if variant == "base":
        return Step(unet, lambda: unet(**inputs))
    kind = ExplicitFaceAdapter if variant == "explicit" else GatedFaceAdapter
    channels, dtype = unet.config.cross_attention_dim, unet.dtype
    adapter = kind.for_backbone(unet, face_channels=channels).eval().requires_grad_(False).to(dtype)
    for site in adapter.sites:
        adapter.layer(site.name).alpha_attn.fill_(0.5)
        adapter.layer(site.name).alpha_dense.fill_(0.5)
    adapter.inject(unet)
    face, null = torch.randn(2, 1, FACE_TOKENS, channels, dtype=dtype)
    scope = adapter.conditioned(face, null, sparse=Sparse() if variant == "sparse" else None)
    scope.__enter__()
    whole = {"begin": lambda: unet(**inputs | {"timestep": EARLY})} if variant == "sparse" else {}
    return Step(unet, lambda: unet(**inputs), close=lambda: scope.__exit__(None, None, None), **whole)


def _ip_adapter(unet: Any, inputs: dict[str, Any], variant: str) -> Step:
    tokens, dtype = int(variant.split()[-1]), unet.dtype
    width = unet.config.cross_attention_dim
    processors: dict[str, Any] = {}
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            processors[f"{name}.processor"] = AttnProcessor2_0()
        elif name.endswith("attn2"):
            processors[f"{name}.processor"] = IPAdapterAttnProcessor2_0(
                module.to_q.in_features, width, num_tokens=(tokens,)
            ).to(dtype)
    unet.set_attn_processor(processors)
    projection = ImageProjection(IMAGE_CHANNELS, width, tokens).to(dtype)
    unet.encoder_hid_proj = MultiIPAdapterImageProjection([projection])
    unet.config.encoder_hid_dim_type = "ip_image_proj"
    embedding = torch.randn(ROWS, 1, IMAGE_CHANNELS, dtype=dtype)
    added = inputs.get("added_cond_kwargs", {}) | {"image_embeds": [embedding]}
    return Step(unet, lambda: unet(**inputs | {"added_cond_kwargs": added}))


def _controlnet(unet: Any, inputs: dict[str, Any], variant: str) -> Step:
    network: Any = ControlNetModel.from_unet(unet).eval().requires_grad_(False).to(unet.dtype)
    side = 8 * inputs["sample"].shape[-1]
    picture = torch.rand(ROWS, 3, side, side, dtype=unet.dtype)

    def call() -> Any:
        down, middle = network(**inputs, controlnet_cond=picture, return_dict=False)
        return unet(**inputs, down_block_additional_residuals=down, mid_block_additional_residual=middle)

    return Step(unet, call)
