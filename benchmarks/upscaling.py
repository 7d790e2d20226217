"""Is the miniature's 2x step better than interpolating? On people whom no training saw.

    python benchmarks/upscaling.py --upscaler runs/miniature/model/upscaler.safetensors

First with the truth at hand: pictures through the miniature's autoencoder at 128 px, enlarged both ways, against the
picture at 256 px. Then what the miniature draws: does the judge see the person as well in the enlarged picture?
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer

from limner.apps.contact_sheet import Tile
from limner.apps.portrait_files import write_sheet
from limner.apps.studio import Studio
from limner.apps.tables import print_table
from limner.core.assets import asset_path
from limner.data.shard_index import ShardIndex
from limner.diffusion.miniature import load_autoencoder
from limner.diffusion.upscaling import FaceUpscaler, UpscalerConfig, load_upscaler, to_picture
from limner.evaluation.feature_network import FeatureNetwork, perceptual_distance
from limner.evaluation.intervals import Measured, mean, over_people, paired_difference
from limner.evaluation.measuring import Instruments
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Person, protocol_named
from limner.identity.judge import JudgeRecognizer
from limner.trust.making import Making

SEED = 20261123
SIDE = 128


def main(
    upscaler: Annotated[list[Path] | None, typer.Option(help="Networks; the packaged one by default.")] = None,
    shards: Annotated[Path, typer.Option(help="Shards; validation people are taken.")] = Path("people/shards"),
    people: Annotated[int, typer.Option(min=2)] = 40,
    features: Annotated[Path | None, typer.Option(help="File of EfficientNet-Lite0.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write drawn pictures side by side to this PNG.")] = None,
) -> None:
    """Print two tables."""
    ways = {"bicubic": FaceUpscaler(UpscalerConfig(width=1, depth=1)).eval()}
    for number, path in enumerate(upscaler or [asset_path("miniature/upscaler.safetensors")]):
        ways[f"network {number + 1}"] = load_upscaler(path)
    chosen = people_of(ShardIndex(shards), protocol_named("quick", people=people))
    measured = _against_truth(ways, chosen, FeatureNetwork(features))
    for name, unit in (("PSNR", "dB"), ("feature distance", "")):
        _print(f"{name} {unit}, {len(chosen)} people", measured[name])
    drawn = _drawn(ways, chosen[: people // 2])
    _print("judge's similarity of what the miniature draws to another photo of the person", drawn["similarity"])
    if sheet is not None:
        tiles = [
            Tile(picture, way) for number in range(4) for way, pictures in drawn["pictures"].items()
            for picture in [pictures[number]]
        ]  # fmt: skip
        write_sheet(sheet, tiles, drawn["making"], title="128 px enlarged to 256")


def _print(title: str, columns: dict[str, np.ndarray]) -> None:
    """Each way's mean over people, and what it differs from interpolating."""
    tables = {way: {"x": column} for way, column in columns.items()}
    rows = [
        [way, _told(over_people(table, _mean, seed=SEED)),
         _told(paired_difference(table, tables["bicubic"], _mean, seed=SEED))]
        for way, table in tables.items()
    ]  # fmt: skip
    print_table(title, ["", "mean", "minus bicubic"], rows)


def _mean(table: dict[str, np.ndarray]) -> np.ndarray:
    return mean(table["x"])


def _told(one: Measured) -> str:
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"


def _against_truth(
    ways: dict[str, FaceUpscaler], people: Sequence[Person], features: FeatureNetwork
) -> dict[str, dict[str, np.ndarray]]:
    """Per measure and way one number per person, of the person's photos."""
    autoencoder = load_autoencoder(asset_path("miniature"))
    found: dict[str, dict[str, list[float]]] = {
        name: {way: [] for way in ways} for name in ("PSNR", "feature distance")
    }
    for person in people:
        truths = [_resized(photo, 2 * SIDE) for photo in person.photos]
        small = torch.from_numpy(np.stack([_resized(photo, SIDE) for photo in person.photos])).permute(0, 3, 1, 2)
        with torch.no_grad():
            decoded = autoencoder.decode(autoencoder.encode(small.float() / 127.5 - 1)[0])[0]
        seen = features.features(truths)
        for way, network in ways.items():
            made = [network.enlarge(to_picture(one)) for one in decoded]
            errors = [np.square(a.astype(float) - b).mean() for a, b in zip(made, truths, strict=True)]
            found["PSNR"][way].append(float(np.mean(10 * np.log10(255**2 / np.array(errors)))))
            apart = perceptual_distance(features.features(made).maps, seen.maps)
            found["feature distance"][way].append(float(apart.mean()))
    return {name: {way: np.array(v) for way, v in columns.items()} for name, columns in found.items()}


def _drawn(ways: dict[str, FaceUpscaler], people: Sequence[Person]) -> dict:
    """Pictures of each person, both ways, and how alike the judge finds them to another photo."""
    studio, instruments = Studio.open("miniature", device="cpu"), Instruments(JudgeRecognizer())
    pictures: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    similarity: dict[str, list[float]] = {way: [] for way in ways}
    making: Making | None = None
    for person in people:
        other = instruments.face_of(person.photos[1])
        prompt = f"a photo of a {person.gender or 'person'}, smiling"
        portraits = studio.portrait(studio.identity(person.photos[0]), prompt, seed=7, count=2)
        making = portraits[0].making
        for way, network in ways.items():
            made = [network.enlarge(one.image) for one in portraits]
            pictures[way] += made
            faces = [face for face in map(instruments.face_of, made) if face is not None]
            alike = [float(face.embedding @ other.embedding) for face in faces] if other is not None else []
            similarity[way].append(float(np.mean(alike)) if alike else float("nan"))
    return {"pictures": pictures, "similarity": {w: np.array(v) for w, v in similarity.items()}, "making": making}


def _resized(photo: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    typer.run(main)
