"""Does a miniature's base read the words? Error of one denoising step with the right sentence and with parts left out.

    python benchmarks/text_use.py --miniature runs/miniature

Velocity, whole picture, pictures of people that training never saw, the same noise for every column. A base that reads
a trait's words is worse without them. No recogniser takes part.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from limner.apps.tables import print_table
from limner.data.captions import Traits, caption
from limner.diffusion.miniature import Miniature
from limner.diffusion.schedule import training_schedule
from limner.diffusion.text import token_ids
from limner.losses.denoising import denoising_target
from limner.systems.miniature_data import EncodedFaces

TIMESTEPS = (300, 600, 850, 950)
TRAITS = ("style", "age", "gender", "expression", "direction", "glasses", "hair", "length", "background", "light")


def main(
    miniature: Annotated[Path, typer.Option(help="Folder of the miniature's runs.")],
    pictures: Annotated[int, typer.Option(min=2, help="So many of the validation people's.")] = 96,
) -> None:
    """Print one table: the error with the right sentence, then how much larger it is with each other one."""
    model = Miniature.load(miniature / "model")
    faces = EncodedFaces.load(miniature / "encoded" / "validation.safetensors")
    rng = torch.Generator().manual_seed(0)
    records = torch.randperm(len(faces.traits), generator=rng)[:pictures]
    variants = torch.randint(faces.latents.shape[1], (len(records),), generator=rng)
    latents = faces.latents[records, variants].float()
    traits = [
        faces.traits[record][variant] for record, variant in zip(records.tolist(), variants.tolist(), strict=True)
    ]
    sentences = {"right": [_said(one) for one in traits], "empty": [""] * len(traits)}
    sentences["another's"] = [*sentences["right"][1:], sentences["right"][0]]
    for trait in TRAITS:
        unsaid: Any = {trait: "photo" if trait == "style" else None}
        sentences[f"no {trait}"] = [_said(replace(one, **unsaid)) for one in traits]
    schedule, rows = training_schedule(), []
    with torch.no_grad():
        states = {name: _states(model, said) for name, said in sentences.items()}
        for timestep in TIMESTEPS:
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(timestep))
            steps = torch.full((len(latents),), timestep)
            noisy: Any = schedule.add_noise(latents, noise, steps)  # pyright: ignore[reportArgumentType]
            target = denoising_target("v_prediction", latents, noise, schedule.alphas_cumprod[steps])
            answers = {name: model.unet(noisy, steps, text).sample for name, text in states.items()}
            errors = {name: float((answer - target).square().mean()) for name, answer in answers.items()}
            right = errors.pop("right")
            rows.append([str(timestep), f"{right:.4f}", *(f"{error - right:+.4f}" for error in errors.values())])
    print_table(f"{len(latents)} pictures", ["t", *sentences], rows)


def _said(traits: Traits) -> str:
    return caption(traits, torch.Generator().manual_seed(1), keep=1.0)


def _states(model: Miniature, sentences: list[str]) -> Tensor:
    return model.text_encoder(token_ids(model.tokenizer, sentences)).last_hidden_state


if __name__ == "__main__":
    typer.run(main)
