"""What an evaluation needs, as small as it gets: shards of two people, and a miniature's folder of runs."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from limner.core.assets import asset_path
from limner.core.images import read_image
from limner.data.captions import Traits
from limner.data.record import write_shard
from limner.data.synthetic_people import SOURCE
from limner.systems.miniature_data import EncodedFaces
from tests.apps.tiny_models import SPACE, VIT, save_tiny_encoder, tiny_miniature
from tests.data.examples import record

FEW = ["--protocol", "quick", "--people", "2", "--steps", "1"]
TRAITS = (Traits(gender="man", hair="black"), Traits(style="pencil", gender="woman"))


def write_people(folder: Path, *, people: int = 2) -> Path:
    """Shards of people of the validation split, two photos each; all of them the packaged person, lit differently."""
    photo = Image.fromarray(read_image(asset_path("example/person.jpg"))).resize((256, 256))
    folder.mkdir(parents=True, exist_ok=True)
    records = [
        record(
            2 * person + number,
            person=f"generated-{person:05d}",
            source=SOURCE,
            split="validation",
            image=np.clip(np.asarray(photo).astype(int) + 12 * person - 6 * number, 0, 255).astype(np.uint8),
        )
        for person in range(people)
        for number in range(2)
    ]
    write_shard(folder / "people.tar", records)
    return folder


def save_runs(folder: Path) -> Path:
    """A folder of runs with base and encoder, ready for the adapter's run, and latents of six pictures."""
    tiny_miniature().save(folder / "model")
    save_tiny_encoder(folder / "model" / "encoder.safetensors")
    masks = torch.zeros(6, 2, 1, 8, 8)
    masks[..., 2:6, 2:6] = 1
    random = torch.Generator().manual_seed(0)
    (folder / "encoded").mkdir()
    EncodedFaces(
        latents=torch.randn(6, 2, 32, 8, 8, generator=random).half(),
        face_masks=masks.half(),
        references=torch.randint(0, 256, (6, 3, 112, 112), generator=random, dtype=torch.uint8),
        person=torch.tensor([0, 0, 0, 1, 1, 2]),
        traits=[TRAITS] * 6,
    ).save(folder / "encoded" / "train.safetensors")
    return folder


def write_recipe(path: Path) -> Path:
    """FACT on that miniature, two steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"""
system = "miniature-fact"
batch = 2

[fact]
backbone = "tiny"
feature_space = "{SPACE}"
template = "arcface-112"
licence = "miniature-adapter"
num_patches = {VIT.num_patches}

[fact.resampler]
feature_width = {VIT.width}
width = 8
num_layers = 1
num_heads = 2
head_width = 4
num_tokens = 3
context_width = 12

[projector]
batch = 2

[projector.training]
steps = 1
learning_rate = 1e-3
trackers = []

[training]
steps = 2
learning_rate = 1e-3
trackers = []
weights = {{ denoising = 1.0, increment = 0.01 }}
"""
    )
    return path
