"""Steps, guidance and sampler of a base: contrast and colour beside those of photos, and how far its pictures are from
photos, with a sheet to look at.

    python benchmarks/sampling.py --shards people/shards --settings 25:2,8:2,4:2,25:1.5,25:2:euler -o out/sampling

A setting is STEPS:GUIDANCE or STEPS:GUIDANCE:SAMPLER. Each draws the same sentences at the same seeds, two pictures for
each validation person, with the person's face (--scale) or, at scale 0, without. Nothing here recognises anybody, so
that a setting can be chosen before a judge looks. Prints a line of JSON a setting; the sheet has a row for each.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from limner.apps.contact_sheet import Tile, contact_sheet
from limner.apps.studio import Studio
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.diffusion.samplers import require_sampler
from limner.evaluation.feature_distance import frechet_distance, kernel_distance, spread_of
from limner.evaluation.feature_network import FeatureNetwork
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Person, protocol_named

WORDS = ("smiling", "serious")
FIRST_SEED, SHOWN = 100, 8
NEARLY = 0.02
"""So near to black or white, on a scale of 1, a value counts as clipped."""


@dataclass(frozen=True)
class Setting:
    """What differs from row to row of the sheet; ``scheduler`` None is the base's own."""

    num_steps: int
    guidance_scale: float
    scheduler: str | None = None

    @classmethod
    def read(cls, text: str) -> "Setting":
        """From ``25:2`` or ``25:2:euler``."""
        steps, _, rest = text.partition(":")
        guidance, _, sampler = rest.partition(":")
        try:
            found = cls(int(steps), float(guidance), sampler or None)
        except ValueError as error:
            raise ConfigError(f"--settings {text!r}: each is STEPS:GUIDANCE or STEPS:GUIDANCE:SAMPLER") from error
        if found.scheduler is not None:
            require_sampler(found.scheduler)
        return found

    def __str__(self) -> str:
        return f"{self.num_steps} steps, guidance {self.guidance_scale:g}" + (
            f", {self.scheduler}" if self.scheduler else ""
        )

    def as_settings(self) -> dict[str, Any]:
        chosen = {} if self.scheduler is None else {"scheduler": self.scheduler}
        return {"num_steps": self.num_steps, "guidance_scale": self.guidance_scale, **chosen}


def main(
    settings: Annotated[str, typer.Option(help="STEPS:GUIDANCE[:SAMPLER], with commas between.")] = "25:2,8:2,4:2",
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the sheet.")] = Path("out/sampling"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    people: Annotated[int, typer.Option(min=2)] = 24,
    scale: Annotated[float, typer.Option(min=0, help="0 draws nobody in particular.")] = 0.8,
    features: Annotated[Path | None, typer.Option(help="The feature network's file; the installed package.")] = None,
) -> None:
    """Print what every setting gives."""
    chosen = [Setting.read(text) for text in settings.split(",")]
    network = FeatureNetwork(features)
    studio = Studio.open(model, device="cpu")
    faces = people_of(ShardIndex(shards), protocol_named("quick", people=people))
    drawn = {}
    for setting in chosen:
        started = time.monotonic()
        drawn[setting] = list(_drawn(studio, faces, setting, scale))
        typer.echo(f"{setting}: {(time.monotonic() - started) / len(drawn[setting]):.2f} s a picture", err=True)
    side = drawn[chosen[0]][0].shape[0]
    photos = [_shrunk(photo, side) for person in faces for photo in person.photos]
    true = _features(network, photos)
    _tell({"setting": "photos", "pictures": len(photos)} | tones(photos))
    for setting, pictures in drawn.items():
        found = _features(network, pictures)
        distances = {
            "frechet": frechet_distance(spread_of(found), spread_of(true)),
            "kernel": kernel_distance(found, true),
        }
        _tell({"setting": str(setting), "pictures": len(pictures)} | tones(pictures) | distances)
    tiles = [Tile(picture, str(setting)) for setting, pictures in drawn.items() for picture in pictures[:SHOWN]]
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / "sampling.png") as unfinished:
        Image.fromarray(contact_sheet([], tiles, columns=SHOWN)).save(unfinished, format="png")


def tones(pictures: Sequence[np.ndarray]) -> dict[str, float]:
    """Of RGB uint8 pictures, each on a scale of 1: mean; ``contrast``, the deviation of brightness within a picture;
    ``saturation``, the distance between a pixel's strongest and weakest colour; ``clipped``, the share of values that
    are nearly black or white."""
    rows = []
    for picture in pictures:
        values = picture / 255
        near = (values < NEARLY) | (values > 1 - NEARLY)
        rows.append((values.mean(), values.mean(axis=-1).std(), np.ptp(values, axis=-1).mean(), near.mean()))
    means = np.mean(rows, axis=0)
    return {
        name: float(value) for name, value in zip(("mean", "contrast", "saturation", "clipped"), means, strict=True)
    }


def _features(network: FeatureNetwork, pictures: Sequence[np.ndarray]) -> np.ndarray:
    return network.features(pictures).pooled.numpy()


def _shrunk(photo: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS))


def _tell(row: dict[str, Any]) -> None:
    typer.echo(
        json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()})
    )


def _drawn(studio: Studio, people: Sequence[Person], setting: Setting, scale: float) -> Iterator[np.ndarray]:
    for number, person in enumerate(people):
        identity = studio.identity(person.photos[0]) if scale else None
        for word in WORDS:
            prompt = f"a photo of a {person.gender or 'person'}, {word}"
            [portrait] = studio.portrait(
                identity, prompt, seed=FIRST_SEED + number, adapter_scale=scale, **setting.as_settings()
            )
            yield portrait.image


if __name__ == "__main__":
    typer.run(main)
