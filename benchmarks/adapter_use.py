"""Does a miniature's adapter look at the face? Error of one denoising step on people that training never saw.

    python benchmarks/adapter_use.py --miniature runs/miniature

Inside the face, with the picture's own face, another picture's of the person, another person's, and with the adapter
switched off; the same noise for all. An adapter that uses the face is best with the person's. No recogniser takes part,
so this may choose a checkpoint.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from limner.apps.tables import print_table
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.miniature import Miniature
from limner.evaluation.intervals import mean, over_people
from limner.identity.encoder import load_encoder
from limner.losses.denoising import denoising_target
from limner.systems.designs import FaceSystem, load_system
from limner.systems.encoded_portraits import EncodedPortraits, encode_references
from limner.systems.miniature_data import EncodedFaces

TIMESTEPS = (300, 600, 850, 950)
SEED = 20261123


def main(
    miniature: Annotated[Path, typer.Option(help="Folder of the miniature's runs.")],
    pictures: Annotated[int, typer.Option(min=4, help="So many of the validation people's.")] = 96,
    adapter: Annotated[Path | None, typer.Option(help="Another adapter's file.")] = None,
) -> None:
    """Print one table."""
    model = miniature / "model"
    base = Miniature.load(model)
    encoder, _ = load_encoder(model / "encoder.safetensors")
    system = load_system(adapter or model / "adapter.safetensors", base.unet)
    backbone = StableDiffusionBackbone(base.pipeline())
    faces = EncodedFaces.load(miniature / "encoded" / "validation.safetensors")
    portraits = EncodedPortraits(faces, encode_references(encoder, faces.references), backbone.tokenize)
    several = [records for records in portraits.people.values() if len(records) > 1]
    records = [record for person in several for record in person][:pictures]
    whose = faces.person[records].numpy()
    others = {record: person[(place + 1) % len(person)] for person in several for place, record in enumerate(person)}
    shown = {
        "own": records,
        "same person's other picture": [others[record] for record in records],
        "stranger's": records[len(records) // 2 :] + records[: len(records) // 2],
        "adapter off": None,
    }
    rows: list[list[str]] = []
    with torch.no_grad(), system.adapter.injected(backbone.pipeline.unet):
        for timestep in TIMESTEPS:
            seen = {name: _errors(backbone, system, portraits, records, face, timestep) for name, face in shown.items()}
            rows.append([str(timestep), *(f"{error.mean():.4f}" for error in seen.values()), _gain(seen, whose)])
    columns = ["t", *shown, "stranger's - other picture's"]
    print_table(f"{len(records)} pictures of {len(np.unique(whose))} people", columns, rows)


def _errors(
    backbone: StableDiffusionBackbone,
    system: FaceSystem,
    portraits: EncodedPortraits,
    records: list[int],
    faces: list[int] | None,
    timestep: int,
) -> np.ndarray:
    """Mean squared error inside the face, by picture."""
    rng = torch.Generator().manual_seed(SEED + timestep)
    rows = len(records)
    plan: dict[str, Tensor] = {
        "record": torch.tensor(records),
        "variant": torch.zeros(rows, dtype=torch.long),
        "reference": torch.tensor(faces or records),
        "keep_text": torch.ones(rows, dtype=torch.bool),
        "text_seed": torch.arange(rows),
    }
    batch = portraits.load(plan)
    latents, mask = batch["latents"].float(), batch["face_mask"].float()
    noise, timesteps = torch.randn(latents.shape, generator=rng), torch.full((rows,), timestep)
    schedule = backbone.noise_schedule
    noisy = schedule.add_noise(latents, noise, timesteps)
    target = denoising_target(schedule.config.prediction_type, latents, noise, schedule.alphas_cumprod[timesteps])
    shows: AbstractContextManager[None] = nullcontext()
    if faces is not None:
        shows = system.adapter.conditioned(system.face_tokens(batch["face_features"].float()[:, None]), scale=1.0)
    with shows:
        predicted = backbone.predict(noisy, timesteps, backbone.encode_text(batch))
    errors = ((predicted - target).square() * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)) / latents.shape[1]
    return errors.numpy()


def _gain(seen: dict[str, np.ndarray], whose: np.ndarray) -> str:
    """What the right person gains over a stranger, with an interval over people."""
    gains = seen["stranger's"] - seen["same person's other picture"]
    by_person = np.array([gains[whose == person].mean() for person in np.unique(whose)])
    measured = over_people({"gain": by_person}, lambda table: mean(table["gain"]), seed=SEED)
    return f"{measured.value:.4f} [{measured.low:.4f}, {measured.high:.4f}]"


if __name__ == "__main__":
    typer.run(main)
