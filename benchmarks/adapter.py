"""What a face costs in one step of the denoiser: Limner's adapter, its explicit form, IP-Adapter and a ControlNet.

    python benchmarks/adapter.py --write docs/performance.md
    python benchmarks/adapter.py --rounds 9 --json adapter.json

The same UNet with random weights, a guided pair of rows, in one process and in turns: ``base`` alone; ``exact`` and
``sparse``, Limner's FACT, the latter a late step; ``explicit``, the same layer as FaceChain-FACT's formula has it
(arXiv:2410.12312): softmax over written-out scores, queries for the face's rows too, nothing kept between steps;
``ip-adapter`` with 4 and 16 tokens, by diffusers' own processors; ``controlnet``, diffusers' own. On a GPU at the real
sizes in bf16, as it is and with compiled blocks; elsewhere with a quarter of the channels and fewer positions, in
processor seconds. FLOPs (matrix products and convolutions) and the tensors of one attention are counted at the real
sizes, which needs no machine.
"""

import argparse
import gc
import json
import statistics
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from performance_page import as_table, circumstances, write_section
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.attention import FaceKeys, GatedFaceAttention, Increments
from limner.adapters.seam import Site
from limner.adapters.sparse import Sparse

ROWS, TEXT_TOKENS, FACE_TOKENS, EARLY, LATE = 2, 77, 16, 900, 300
VARIANTS = ("base", "exact", "sparse", "explicit", "ip-adapter 4", "ip-adapter 16", "controlnet")
IMAGE_CHANNELS = 1024  # of the CLIP picture embedding that IP-Adapter reads

SD15: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@dataclass(frozen=True)
class Shape:
    """A UNet and the size of its latents.

    Attributes:
        small: side of the latents where channels are a quarter.
    """

    name: str
    config: dict[str, Any]
    latents: int
    small: int

    def settings(self, *, reduced: bool) -> dict[str, Any]:
        """Arguments of the UNet."""
        if not reduced:
            return self.config
        quarter = {"block_out_channels": tuple(width // 4 for width in self.config["block_out_channels"])}
        heads = self.config["attention_head_dim"]
        few = 2 if isinstance(heads, int) else tuple(max(number // 4, 1) for number in heads)
        return self.config | quarter | {"attention_head_dim": few}


SHAPES = (
    Shape("SD 1.5, 512 px", SD15, 64, 32),
    Shape("SD 1.5, 768 px", SD15, 96, 48),
    Shape("SDXL, 1024 px", SDXL, 128, 32),
)


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


class TensorMemory(TorchDispatchMode):
    """Bytes of the tensors that were made inside and are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: dict[int, weakref.finalize] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage(), given)
        return out

    def _see(self, storage: Any, given: set[int]) -> None:
        name = storage._cdata
        if name in given or name in self._known:
            return
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        self._known[name] = weakref.finalize(storage, self._gone, name, storage.nbytes())

    def _gone(self, name: int, size: int) -> None:
        self.alive -= size
        self._known.pop(name, None)


@dataclass
class Step:
    """One variant, ready to be called."""

    call: Callable[[], Any]
    close: Callable[[], None] = lambda: None


def build(shape: Shape, variant: str, *, reduced: bool, device: str, dtype: torch.dtype) -> Step:
    """A variant of one step; two rows, guided."""
    with torch.device(device):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(**shape.settings(reduced=reduced)).eval().requires_grad_(False).to(dtype)
        side = shape.small if reduced else shape.latents
        inputs: dict[str, Any] = {
            "sample": torch.randn(ROWS, 4, side, side, dtype=dtype),
            "timestep": LATE,
            "encoder_hidden_states": torch.randn(ROWS, TEXT_TOKENS, unet.config.cross_attention_dim, dtype=dtype),
        }
        if shape.config is SDXL:
            pooled = torch.randn(ROWS, 1280, dtype=dtype)
            inputs["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": torch.ones(ROWS, 6, dtype=dtype)}
        makers = {"controlnet": _controlnet, "ip-adapter 4": _ip_adapter, "ip-adapter 16": _ip_adapter}
        make = makers.get(variant, _face)
        return make(unet, inputs, variant)


def _face(unet: Any, inputs: dict[str, Any], variant: str) -> Step:
    if variant == "base":
        return Step(lambda: unet(**inputs))
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
    if variant == "sparse":
        unet(**inputs | {"timestep": EARLY})
    return Step(lambda: unet(**inputs), lambda: scope.__exit__(None, None, None) and None)


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
    return Step(lambda: unet(**inputs | {"added_cond_kwargs": added}))


def _controlnet(unet: Any, inputs: dict[str, Any], variant: str) -> Step:
    network: Any = ControlNetModel.from_unet(unet).eval().requires_grad_(False).to(unet.dtype)
    side = 8 * inputs["sample"].shape[-1]
    picture = torch.rand(ROWS, 3, side, side, dtype=unet.dtype)

    def call() -> Any:
        down, middle = network(**inputs, controlnet_cond=picture, return_dict=False)
        return unet(**inputs, down_block_additional_residuals=down, mid_block_additional_residual=middle)

    return Step(call)


@torch.no_grad()
def counted(shape: Shape, variant: str) -> dict[str, float]:
    """TFLOP of one step at the real size, on no device."""
    step = build(shape, variant, reduced=False, device="meta", dtype=torch.float16)
    with FlopCounterMode(display=False) as counter:
        step.call()
    step.close()
    return {"tflop": counter.get_total_flops() / 1e12}


@torch.no_grad()
def attention_mib(shape: Shape, *, explicit: bool, side: int | None = None) -> float:
    """MiB of float16 tensors alive at most in the widest gated attention of one step; the real size if no side."""
    channels, heads = (320, 8) if shape.config is SD15 else (640, 10)
    if side is None:
        side = shape.latents if shape.config is SD15 else shape.latents // 2
    layer = (ExplicitFaceAttention if explicit else GatedFaceAttention)(channels, 8, heads=heads).half()
    visual = torch.zeros(ROWS, side * side, channels, dtype=torch.float16)
    face = torch.zeros(ROWS, FACE_TOKENS, 8, dtype=torch.float16)
    keys = layer.face_keys(face)
    with TensorMemory() as memory:
        if isinstance(layer, ExplicitFaceAttention):
            layer.attention(visual, face)
        else:
            layer.attn(layer.norm1(visual), keys, None)
    return memory.peak / 2**20


class Stopwatch:
    """Seconds of the GPU, or of the processor elsewhere: a shared machine lends time in pieces."""

    def __init__(self, device: str) -> None:
        self.device = device

    def seconds(self, call: Callable[[], Any]) -> float:
        if self.device != "cuda":
            started = time.process_time()
            call()
            return time.process_time() - started
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1000


@torch.no_grad()
def timed(shape: Shape, *, device: str, rounds: int, compiled: bool = False) -> list[dict[str, Any]]:
    """Seconds and peak memory of each variant, in turns."""
    reduced = device != "cuda"
    dtype = torch.float32 if reduced else torch.bfloat16
    watch = Stopwatch(device)
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    steps = {variant: build(shape, variant, reduced=reduced, device=device, dtype=dtype) for variant in VARIANTS}
    peaks = {variant: _peak(step, device) for variant, step in steps.items()}
    for number in range(rounds):
        order = VARIANTS[number % len(VARIANTS) :] + VARIANTS[: number % len(VARIANTS)]
        for variant in order:
            seconds[variant].append(watch.seconds(steps[variant].call))
    for step in steps.values():
        step.close()
    rows = []
    for variant in VARIANTS:
        ratios = [mine / base for mine, base in zip(seconds[variant], seconds["base"], strict=True)]
        rows.append(
            {
                "shape": shape.name,
                "compiled": compiled,
                "variant": variant,
                "seconds": statistics.median(seconds[variant]),
                "ratio": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "peak_mib": peaks[variant],
            }
        )
    return rows


def _peak(step: Step, device: str) -> float:
    """MiB that a step needs on top of weights and inputs; also the warm-up."""
    gc.collect()
    if device == "cuda":
        step.call()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step.call()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with TensorMemory() as memory:
        step.call()
    return memory.peak / 2**20


def measure(rounds: int, device: str) -> dict[str, Any]:
    """Everything, as one record."""
    counts = {shape.name: {variant: counted(shape, variant) for variant in VARIANTS} for shape in SHAPES}
    return {
        **circumstances(device),
        "rounds": rounds,
        "reduced": device != "cuda",
        "flops": counts,
        "attention_mib": {
            shape.name: {
                name: attention_mib(shape, explicit=name == "explicit") for name in ("exact", "explicit")
            }
            for shape in SHAPES
        },
        "steps": [row for shape in SHAPES for row in timed(shape, device=device, rounds=rounds)],
    }


def page(record: dict[str, Any]) -> str:
    """The record as the section of a page."""
    columns = ["step", *(shape.name for shape in SHAPES)]
    size = "channels / 4, fewer positions" if record["reduced"] else "real sizes, bf16"
    steps = {(row["shape"], row["variant"]): row for row in record["steps"]}

    def times(shape: Shape, variant: str) -> str:
        row = steps[shape.name, variant]
        return f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"

    def flops(shape: Shape, variant: str) -> str:
        counts = record["flops"][shape.name]
        return f"+{counts[variant]['tflop'] / counts['base']['tflop'] - 1:.1%}"

    def memory(shape: Shape, variant: str) -> str:
        return f"{steps[shape.name, variant]['peak_mib']:.0f}"

    parts = []
    for title, cell in (
        (f"Time of one step, times the base's; median (least to most) of {record['rounds']} rounds; {size}", times),
        (f"MiB of tensors alive at most in one step, weights not counted; {size}", memory),
        ("Matrix products and convolutions of one step at the real sizes, on top of the base's", flops),
    ):
        rows = [[variant, *(cell(shape, variant) for shape in SHAPES)] for variant in VARIANTS]
        parts.append(f"{title}:\n\n{as_table(columns, rows)}")
    held = record["attention_mib"]
    rows = [[name, *(f"{held[shape.name][name]:.0f}" for shape in SHAPES)] for name in ("exact", "explicit")]
    title = "MiB of float16 tensors in the adapter's largest attention at the real sizes, a guided pair"
    parts.append(f"{title}:\n\n{as_table(columns, rows)}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="write the record there, too")
    parser.add_argument("--write", type=Path, help="replace the section of this page")
    arguments = parser.parse_args()
    record = measure(arguments.rounds, arguments.device)
    print(json.dumps(record))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.write:
        write_section(arguments.write, "adapter", record, page(record), sys.argv)


if __name__ == "__main__":
    main()
