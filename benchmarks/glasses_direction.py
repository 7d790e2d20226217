"""Which way in the face generator's styles do glasses lie? Fits the direction by which they are put on and taken off.

    python benchmarks/glasses_direction.py --shards people/shards -o recipes/directions.npz \
        --generator .venv/lib/python3.11/site-packages/random_face/data \
        --directions ../shared/assets/random-face-directions/directions.npz

Shards of `limner data synthesize` name person and picture, so the styles that each was drawn from are known, and the
parser told whether glasses are there. A ridge regression of that on the styles, kept free of the other directions, is
fitted on the people that are trained on; those held back tell how well it separates (AUC, 0.5 is guessing).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from limner.core.files import replacing
from limner.data.captions import describe
from limner.data.face_generator import FaceGenerator
from limner.data.record import FaceRecord, read_shards
from limner.data.synthesis import Directions, plan_person

RIDGE = 1.0
"""Times the mean variance of a style's number; 0.1 to 10 separate people held back equally well."""


def main(
    shards: Annotated[Path, typer.Option(help="Shards of `limner data synthesize`, without exchanged glasses.")],
    generator: Annotated[Path, typer.Option(help="As for `limner data synthesize`.")],
    directions: Annotated[Path, typer.Option(help="As for `limner data synthesize`; its directions are kept.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File (.npz) to write.")],
    seed: Annotated[int, typer.Option(help="Of the people in the shards.")] = 1,
) -> None:
    """Write the directions that were given and the one of glasses."""
    known = Directions.read(directions)
    styles, worn, held_back = _styles(read_shards(shards), FaceGenerator(generator), known, seed)
    way = _across(_regression(styles[~held_back], worn[~held_back]), list(known.unit.values()))
    places = (styles - known.mean) @ way
    deviation = float(places.std())
    for name, chosen in (("trained on", ~held_back), ("held back", held_back)):
        on, off = places[chosen & (worn > 0)] / deviation, places[chosen & (worn == 0)] / deviation
        auc = float((on[:, None] > off[None]).float().mean())
        typer.echo(
            f"{name}: {len(on)} with, {len(off)} without, at {on.mean():.2f} and {off.mean():.2f}; AUC {auc:.3f}"
        )
    with np.load(directions) as before, replacing(output) as path, path.open("wb") as file:
        np.savez(file, **dict(before), d_glasses=way.numpy(), s_glasses=np.float64(deviation))


def _styles(
    records: Iterable[FaceRecord], generator: FaceGenerator, directions: Directions, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Styles ``(pictures, 512)``, whether glasses are worn, 1 or 0, and whether the person is held back."""
    rows: list[Tensor] = []
    worn: list[float] = []
    held_back: list[bool] = []
    for record in records:
        glasses = describe(record.numbers, age_years=record.age_years, male=record.male).glasses
        if glasses is None:
            continue
        person, picture = map(int, record.key.split("_"))
        shots = plan_person(person, picture + 1, generator, directions, seed=seed)
        rows.append(shots[picture].styles[0])
        worn.append(float(glasses == "yes"))
        held_back.append(record.split == "validation")
    return torch.stack(rows), torch.tensor(worn), torch.tensor(held_back)


def _regression(styles: Tensor, worn: Tensor) -> Tensor:
    apart = styles - styles.mean(dim=0)
    spread = apart.T @ apart / len(apart)
    ridge = RIDGE * spread.diagonal().mean() * torch.eye(len(spread))
    return torch.linalg.solve(spread + ridge, (apart * (worn - worn.mean())[:, None]).mean(dim=0))


def _across(way: Tensor, others: list[Tensor]) -> Tensor:
    """Unit vector of ``way`` without what the others say."""
    basis, _ = torch.linalg.qr(torch.stack(others, dim=1))
    rest = way - basis @ (basis.T @ way)
    return rest / rest.norm()


if __name__ == "__main__":
    with torch.inference_mode():
        typer.run(main)
