"""What storing the miniature with 8 bits a weight costs: the same pictures from the weights as they were trained.

    python benchmarks/eight_bit.py --miniature runs/miniature

Base, encoder and adapter at once; the same people, sentences and seeds for both.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from limner.apps.studio import Studio
from limner.apps.tables import print_table
from limner.core.checkpoint import load_checkpoint, save_checkpoint
from limner.data.shard_index import ShardIndex
from limner.evaluation.people import people_of
from limner.evaluation.protocol import protocol_named

SENTENCES = ("a photo of a person, smiling", "a pencil drawing of a person")
SEED = 20261123
RUNS = {
    "unet/model.safetensors": ("base", "unet."),
    "text_encoder/model.safetensors": ("base", "text_encoder."),
    "encoder.safetensors": ("encoder", "encoder."),
    "adapter.safetensors": ("fact", ""),
}
"""Which run a file comes from, and what its weights are called there."""


def main(
    miniature: Annotated[Path, typer.Option(help="Folder of the miniature's runs.")],
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    people: Annotated[int, typer.Option(min=2, help="So many of them.")] = 8,
) -> None:
    """Print one table."""
    rules = protocol_named("quick", people=people)
    faces = [person.photos[0] for person in people_of(ShardIndex(shards), rules)]
    packed = draw(Studio.open(miniature / "model", device="cpu"), faces)
    with tempfile.TemporaryDirectory() as folder:
        widen(miniature, Path(folder))
        studio = Studio.open(folder, device="cpu")
        exact, other_seed = draw(studio, faces), draw(studio, faces, seed=SEED + 1)
    rows = [
        [name, f"{np.abs(a - exact).mean():.2f}", f"{10 * np.log10(255**2 / np.square(a - exact).mean()):.1f} dB"]
        for name, a in (("8 bits against trained", packed), ("another seed against trained", other_seed))
    ]
    print_table(f"{len(exact)} pictures", ["", "mean difference of 255", "PSNR"], rows)


def widen(miniature: Path, folder: Path) -> None:
    """The model in ``folder`` with the averaged float32 weights of its runs."""
    shutil.copytree(miniature / "model", folder, dirs_exist_ok=True)
    for part, (run, prefix) in RUNS.items():
        tensors, header = load_checkpoint(folder / part)
        average = torch.load(miniature / run / "state.pt", weights_only=True, map_location="cpu")["average"]
        exact = {name: average.get(prefix + name, tensor) for name, tensor in tensors.items()}
        save_checkpoint(folder / part, exact, header)


def draw(studio: Studio, faces: list[np.ndarray], *, seed: int = SEED) -> np.ndarray:
    """``(pictures, height, width, 3)`` float."""
    drawn = [
        studio.portrait(studio.identity(face), sentence, seed=seed)[0].image for face in faces for sentence in SENTENCES
    ]
    return np.stack(drawn).astype(np.float64)


if __name__ == "__main__":
    typer.run(main)
