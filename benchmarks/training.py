"""Speed and memory of a training step of FACT, against a plain step in the manner of diffusers' training examples.

    python benchmarks/training.py --steps 10 --batch 8
    python benchmarks/training.py --base models/stable-diffusion-v1-5 --batch 8 --mixed-precision bf16

The same frozen model, the same adapter, the same pictures, on the same machine, in turns: ``plain`` encodes pictures
and sentences, predicts the noise, and steps; ``ours`` does all that Limner's loop does (FAIR, drop, moving average,
log); ``kept`` is ours with latents kept from before. Each measurement is a process of its own, because a process's peak
memory never falls. Prints one line of JSON per variant (medians over the rounds) and the ratios to ``plain``.

Without ``--base`` the model is the miniature at its real size with random weights.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.adapters.projectors import ResamplerConfig
from limner.apps.bases import open_base
from limner.apps.training_fact import backbone_of
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.miniature import Miniature, MiniatureConfig, build_unet
from limner.diffusion.text import build_text_encoder, train_tokenizer
from limner.systems.contract import Batch, Plan
from limner.systems.fact import Fact, FactConfig
from limner.systems.fact_objective import FactObjective
from limner.systems.fact_training import FactTraining
from limner.training.loop import LoopSettings, Run

VARIANTS = ("plain", "ours", "kept")
PEOPLE, PATCHES, FEATURE_WIDTH, PROMPT = 16, 144, 256, "a photo of a person, smiling"
WARM_UP = 2


class MadeUpPortraits:
    """Random pictures of two photos a person; see :class:`limner.systems.portraits.Portraits`."""

    num_variants = 1

    def __init__(self, backbone: StableDiffusionBackbone, *, keep: bool) -> None:
        rng = torch.Generator().manual_seed(0)
        self.people = {str(person): [2 * person, 2 * person + 1] for person in range(PEOPLE)}
        self.face_area = torch.full((2 * PEOPLE,), 0.25)
        self.ids = backbone.tokenize([PROMPT])
        self.pictures = torch.rand(2 * PEOPLE, 3, backbone.pixels, backbone.pixels, generator=rng) * 2 - 1
        self.features = torch.randn(2 * PEOPLE, PATCHES, FEATURE_WIDTH, generator=rng)
        self.latents = torch.cat([backbone.encode_pictures(p) for p in self.pictures.split(4)]) if keep else None
        self.mask = torch.zeros(1, *backbone.latent_shape[1:])
        side = backbone.latent_shape[1]
        self.mask[:, side // 4 : -(side // 4), side // 4 : -(side // 4)] = 1

    def load(self, plan: Plan) -> Batch:
        rows = plan["record"]
        shown = {"pictures": self.pictures[rows]} if self.latents is None else {"latents": self.latents[rows]}
        text = {name: ids.expand(len(rows), -1) for name, ids in self.ids.items()}
        mask = self.mask.expand(len(rows), *self.mask.shape)
        return shown | text | {"face_mask": mask, "face_features": self.features[plan["reference"]]}


def build(base: str | None) -> tuple[StableDiffusionBackbone, Fact]:
    """A frozen model and an adapter for it."""
    torch.manual_seed(0)
    if base is not None:
        backbone = backbone_of(open_base(base, device="cpu"))
    else:
        config = MiniatureConfig()
        tokenizer = train_tokenizer([PROMPT] * 50, vocabulary=400, max_tokens=config.max_tokens)
        text_encoder = build_text_encoder(tokenizer, width=config.text_width, depth=config.text_depth)
        miniature = Miniature(config, build_unet(config), TinyFaceAutoencoder(), text_encoder, tokenizer)
        backbone = StableDiffusionBackbone(miniature.pipeline())
    sizes = ResamplerConfig(feature_width=FEATURE_WIDTH, width=256, num_layers=3, num_heads=4, context_width=256)
    config = FactConfig(backbone="any", feature_space="made-up", template="arcface-112", licence="CC0", resampler=sizes)
    return backbone, Fact.for_backbone(backbone.pipeline.unet, config)


def ours(arguments: argparse.Namespace, *, keep: bool) -> list[float]:
    """Moments at which Limner's loop finished a step."""
    backbone, fact = build(arguments.base)
    steps = arguments.steps + WARM_UP
    objective = FactObjective(batch=arguments.batch, activation_checkpointing=arguments.checkpointing)
    task = FactTraining(fact, backbone, MadeUpPortraits(backbone, keep=keep), objective, steps=steps)
    settings = LoopSettings(
        steps=steps, learning_rate=1e-4, log_every=1, save_every=10**9, trackers=(),
        mixed_precision=arguments.mixed_precision, weights={"increment": 0.01},
    )  # fmt: skip
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), task, settings)
        run.train(progress=lambda step, numbers: moments.append(time.perf_counter()))
    return moments


def plain(arguments: argparse.Namespace) -> list[float]:
    """Moments at which a loop as diffusers' examples have it finished a step."""
    from accelerate import Accelerator

    backbone, fact = build(arguments.base)
    accelerator = Accelerator(mixed_precision=arguments.mixed_precision)
    portraits = MadeUpPortraits(backbone, keep=False)
    fact.adapter.inject(backbone.pipeline.unet)
    if arguments.checkpointing:
        backbone.pipeline.unet.enable_gradient_checkpointing(fact.adapter.checkpointed)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(arguments.mixed_precision, torch.float32)
    backbone.place(accelerator.device, half if accelerator.device.type == "cuda" else torch.float32)
    optimizer = torch.optim.AdamW(fact.parameters(), 1e-4)
    model: Any
    model, optimizer = accelerator.prepare(fact, optimizer)
    moments: list[float] = []
    for _ in range(arguments.steps + WARM_UP):
        rows = torch.randint(2 * PEOPLE, (arguments.batch,))
        loaded = portraits.load({"record": rows, "reference": rows})
        batch = {name: values.to(accelerator.device) for name, values in loaded.items()}
        with accelerator.autocast():
            loss = _plain_loss(backbone, model, batch)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        moments.append(time.perf_counter())
    return moments


def _plain_loss(backbone: StableDiffusionBackbone, fact: nn.Module, batch: Batch) -> Tensor:
    schedule, adapter = backbone.noise_schedule, fact.get_submodule("adapter")
    latents = backbone.encode_pictures(batch["pictures"])
    noise = torch.randn_like(latents)
    timesteps = torch.randint(0, schedule.config.num_train_timesteps, (len(latents),), device=latents.device)
    text = backbone.encode_text({name: batch[name] for name in backbone.tokenizer_names})
    tokens = fact.get_submodule("resampler")(batch["face_features"][:, None])
    with cast(Any, adapter).conditioned(tokens, scale=1.0):
        prediction = backbone.predict(schedule.add_noise(latents, noise, timesteps), timesteps, text)
    velocity = schedule.config.prediction_type == "v_prediction"
    target = schedule.get_velocity(latents, noise, timesteps) if velocity else noise
    return F.mse_loss(prediction.float(), target.float())


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """One variant, in this process."""
    moments = plain(arguments) if arguments.variant == "plain" else ours(arguments, keep=arguments.variant == "kept")
    seconds = moments[-1] - moments[WARM_UP - 1]
    # Kilobytes on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    return {"samples_per_second": arguments.batch * arguments.steps / seconds, "peak_mib": peak / 2**20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mixed-precision", choices=("no", "fp16", "bf16"), default="no")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--variant", choices=VARIANTS, help="measure this one only, in this process")
    arguments = parser.parse_args()
    if arguments.variant:
        print(json.dumps(measure(arguments)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.rounds):
        for name in VARIANTS:
            command = [sys.executable, __file__, *sys.argv[1:], "--variant", name]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[name].append(json.loads(told.splitlines()[-1]))
    medians = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in found.items()
    }
    for name, numbers in medians.items():
        ratios = {f"{key}_to_plain": round(value / medians["plain"][key], 3) for key, value in numbers.items()}
        print(json.dumps({"variant": name} | {key: round(value, 3) for key, value in numbers.items()} | ratios))


if __name__ == "__main__":
    main()
