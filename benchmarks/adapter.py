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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from adapter_rivals import FACE_TOKENS, ROWS, VARIANTS, ExplicitFaceAttention, Step, build
from performance_page import as_table, circumstances, write_section
from tensor_memory import TensorMemory
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from limner.adapters.attention import GatedFaceAttention

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
        widest: channels, heads and halvings of the latents where its largest attention is.
    """

    name: str
    config: dict[str, Any]
    latents: int
    small: int
    widest: tuple[int, int, int]

    @property
    def quartered(self) -> dict[str, Any]:
        """The UNet with a quarter of the channels."""
        quarter = {"block_out_channels": tuple(width // 4 for width in self.config["block_out_channels"])}
        heads = self.config["attention_head_dim"]
        few = 2 if isinstance(heads, int) else tuple(max(number // 4, 1) for number in heads)
        return self.config | quarter | {"attention_head_dim": few, "norm_num_groups": 16}


SHAPES = (
    Shape("SD 1.5, 512 px", SD15, 64, 24, (320, 8, 0)),
    Shape("SD 1.5, 768 px", SD15, 96, 36, (320, 8, 0)),
    Shape("SDXL, 1024 px", SDXL, 128, 16, (640, 10, 1)),
)


@torch.no_grad()
def counted(shape: Shape, variant: str) -> dict[str, float]:
    """TFLOP of one step at the real size, on no device."""
    step = build(shape.config, shape.latents, variant, device="meta", dtype=torch.float32)
    with FlopCounterMode(display=False) as counter:
        step.call()
    step.close()
    return {"tflop": counter.get_total_flops() / 1e12}


@torch.no_grad()
def attention_mib(shape: Shape, *, explicit: bool) -> float:
    """MiB of float16 tensors alive at most in the largest gated attention of a step, at the real size, on no device."""
    channels, heads, halvings = shape.widest
    side = shape.latents // 2**halvings
    with FakeTensorMode():
        layer = (ExplicitFaceAttention if explicit else GatedFaceAttention)(channels, 8, heads=heads)
        visual = torch.zeros(ROWS, side * side, channels)
        face = torch.zeros(ROWS, FACE_TOKENS, 8)
        keys = layer.face_keys(face)
        with TensorMemory() as memory:
            if isinstance(layer, ExplicitFaceAttention):
                layer.attention(visual, face)
            else:
                layer.attn(layer.norm1(visual), keys, None)
    return memory.peak / 2 / 2**20  # counted in float32


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
    settings, side = (shape.quartered, shape.small) if reduced else (shape.config, shape.latents)
    steps = {variant: build(settings, side, variant, device=device, dtype=dtype) for variant in VARIANTS}
    if compiled:
        for step in steps.values():
            step.unet.compile_repeated_blocks()
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
            shape.name: {name: attention_mib(shape, explicit=name == "explicit") for name in ("exact", "explicit")}
            for shape in SHAPES
        },
        "steps": [
            row
            for compiled in ((False, True) if device == "cuda" else (False,))
            for shape in SHAPES
            for row in timed(shape, device=device, rounds=rounds, compiled=compiled)
        ],
    }


def page(record: dict[str, Any]) -> str:
    """The record as the section of a page."""
    size = "a quarter of the channels, fewer positions" if record["reduced"] else "real sizes, bf16"
    rounds = f"median (least to most) of {record['rounds']} rounds"
    parts = []
    for compiled in sorted({row["compiled"] for row in record["steps"]}):
        steps = {(row["shape"], row["variant"]): row for row in record["steps"] if row["compiled"] == compiled}
        how = f"{size}, compiled blocks" if compiled else size
        times = {
            place: f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
            for place, row in steps.items()
        }
        peaks = {place: f"{row['peak_mib']:.0f}" for place, row in steps.items()}
        parts.append(_table(f"Time of one step, times the base's, {rounds}; {how}", VARIANTS, times))
        parts.append(_table(f"MiB alive at most in one step, weights not counted; {how}", VARIANTS, peaks))
    products = {
        (shape, variant): f"{count['tflop'] / counts['base']['tflop'] - 1:+.1%}"
        for shape, counts in record["flops"].items()
        for variant, count in counts.items()
    }
    title = "Matrix products and convolutions of one step at the real sizes, beyond the base's"
    parts.append(_table(title, VARIANTS, products))
    held = {
        (shape, name): f"{mib:.0f}"
        for shape, by_name in record["attention_mib"].items()
        for name, mib in by_name.items()
    }
    title = "MiB of float16 tensors in the adapter's largest attention at the real sizes, two rows"
    parts.append(_table(title, ("exact", "explicit"), held))
    return "\n\n".join(parts)


def _table(title: str, variants: Sequence[str], cells: dict[tuple[str, str], str]) -> str:
    rows = [[variant, *(cells[shape.name, variant] for shape in SHAPES)] for variant in variants]
    return f"{title}:\n\n{as_table(['step', *(shape.name for shape in SHAPES)], rows)}"


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
