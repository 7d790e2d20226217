"""Short runs of the miniature's base under changed settings: velocity error on people the training never saw.

    python benchmarks/base_settings.py --encoded runs/miniature/encoded --steps 300 \
        --set loss_weight=min-snr --set training.learning_rate=1e-3

Prints one line of JSON: the error at seven timesteps with the same noise for every run, and their mean.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from limner.apps.assembly_training import BaseRecipe
from limner.data.captions import caption
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.miniature import Miniature, build_unet
from limner.diffusion.text import build_text_encoder, train_tokenizer
from limner.systems.miniature_base import MiniatureBase
from limner.systems.miniature_data import EncodedFaces
from limner.training.loop import Run

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "miniature-base.toml"
TIMESTEPS = (50, 200, 350, 500, 650, 800, 950)
PICTURES = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoded", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    short = [f"training.steps={arguments.steps}", f"training.decay_steps={arguments.steps // 4}"]
    short += [
        "training.warmup_steps=100",
        "training.ema_decay=0.99",
        "training.save_every=1000000",
        "training.inspect_every=0",
    ]
    recipe = BaseRecipe.read(RECIPE, overrides=[*short, *arguments.set])
    faces = EncodedFaces.load(arguments.encoded / "train.safetensors")
    rng = torch.Generator().manual_seed(0)
    sentences = [caption(traits, rng, keep=0.9) for row in faces.traits for traits in row]
    tokenizer = train_tokenizer(sentences, vocabulary=recipe.model.vocabulary, max_tokens=recipe.model.max_tokens)
    torch.manual_seed(0)
    text_encoder = build_text_encoder(tokenizer, width=recipe.model.text_width, depth=recipe.model.text_depth)
    unet = build_unet(recipe.model).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    miniature = Miniature(recipe.model, unet, TinyFaceAutoencoder(), text_encoder, tokenizer)
    base = MiniatureBase(miniature, faces, batch=recipe.batch, weight=recipe.loss_weight)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), base, recipe.training)
        run.train(progress=lambda step, numbers: print(step, numbers, flush=True) if step % 100 == 0 else None)
    run.average.copy_to(base.module)
    errors = velocity_errors(base, EncodedFaces.load(arguments.encoded / "validation.safetensors"))
    mean = sum(errors.values()) / len(errors)
    seconds = round(time.monotonic() - started)
    print(json.dumps({"set": arguments.set, "seconds": seconds, "mean": mean, "by_timestep": errors}))


@torch.no_grad()
def velocity_errors(base: MiniatureBase, faces: EncodedFaces) -> dict[int, float]:
    base.module.eval()
    latents = faces.latents[:PICTURES, 0].float()
    errors = {}
    for timestep in TIMESTEPS:
        rng = torch.Generator().manual_seed(timestep)
        noise = torch.randn(latents.shape, generator=rng)
        steps = torch.full((len(latents),), timestep)
        prompts = [caption(row[0], rng) for row in faces.traits[:PICTURES]]
        ids = StableDiffusionBackbone(base.miniature.pipeline()).tokenize(prompts)["tokenizer"]
        text = base.module["text_encoder"](ids).last_hidden_state
        noisy = base.schedule.add_noise(latents, noise, steps)  # pyright: ignore[reportArgumentType]
        target = base.schedule.get_velocity(latents, noise, steps)  # pyright: ignore[reportArgumentType]
        errors[timestep] = float((base.module["unet"](noisy, steps, text).sample - target).square().mean())
    return errors


if __name__ == "__main__":
    main()
