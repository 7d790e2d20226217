"""How far pictures of the region-sparse path are from those of the exact one, on the embedded model.

    python benchmarks/sparse.py --write docs/performance.md

The same people, sentences and seeds. The people do not exist: the packaged example and others whom the model draws
itself before. By picture: the peak signal-to-noise ratio in dB and the largest difference in grey levels of 255; for
comparison the same of pictures without the adapter. Over all pictures of a setting: what the guide's likeness changed
by. ``share`` is the part of a block's positions that late steps add to, ``start`` the part of the run after which.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from performance_page import as_table, circumstances, write_section

from limner.adapters.sparse import Sparse
from limner.apps.opened_adapter import Showing
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import FaceError
from limner.identity.identity import Identity

PROMPTS = ("a photo of a person, smiling", "a pencil drawing of a person")
SETTINGS = tuple(Sparse(share, start) for start in (0.2, 0.4) for share in (0.1, 0.2, 0.3, 0.5))
STRANGERS = 500
"""Seed of the first drawn person."""


def people(studio: Studio, number: int) -> list[Identity]:
    """The example and people that the model draws; seeds without a face are passed over."""
    found = [studio.identity(asset_path("example/person.jpg"))]
    seed = STRANGERS
    while len(found) < number:
        [portrait] = studio.portrait(None, "a photo of a person", adapter_scale=0, seed=seed)
        seed += 1
        try:
            found.append(studio.identity(portrait.image))
        except FaceError:
            continue
    return found


def draw(
    studio: Studio, person: Identity, prompt: str, seeds: range, *, scale: float, sparse: Sparse | None
) -> np.ndarray:
    """RGB uint8 (seeds, height, width, 3)."""
    base, adapter = studio.assembly.base, studio.assembly.adapter
    assert adapter is not None
    pipeline: Any = base.pipeline
    with adapter.conditioned(base, [person], Showing(scale=scale, guided=True, sparse=sparse)):
        images = pipeline(
            prompt=prompt,
            num_images_per_prompt=len(seeds),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            guidance_scale=base.guidance_scale,
            num_inference_steps=25,
            output_type="np",
        ).images
    return (images * 255).round().astype(np.uint8)


def compare(
    studio: Studio, cases: list[tuple[Identity, str]], exact: list[np.ndarray], other: list[np.ndarray]
) -> dict:
    """Differences of two sets of pictures of the same people."""
    decibels, largest, likeness = [], [], []
    for (person, _), ones, others in zip(cases, exact, other, strict=True):
        for one, another in zip(ones, others, strict=True):
            difference = another.astype(float) - one
            decibels.append(20 * np.log10(255) - 10 * np.log10(max(float((difference**2).mean()), 1e-6)))
            largest.append(float(np.abs(difference).max()))
            told = [studio.similarity(picture, person) for picture in (one, another)]
            if told[0] is not None and told[1] is not None:
                likeness.append(told[1] - told[0])
    return {
        "pictures": len(decibels),
        "psnr_median": float(np.median(decibels)),
        "psnr_least": min(decibels),
        "difference_median": float(np.median(largest)),
        "difference_most": max(largest),
        "likeness_change": float(np.mean(likeness)) if likeness else None,
    }


def measure(model: str, *, num_people: int, num_seeds: int, settings: tuple[Sparse, ...] = SETTINGS) -> dict[str, Any]:
    """Everything, as one record."""
    studio = Studio.open(model)
    cases = [(person, prompt) for person in people(studio, num_people) for prompt in PROMPTS]

    def all_of(scale: float, sparse: Sparse | None) -> list[np.ndarray]:
        return [draw(studio, *case, range(7, 7 + num_seeds), scale=scale, sparse=sparse) for case in cases]

    exact = all_of(0.8, None)
    rows = [
        {"share": sparse.share, "start": sparse.start, **compare(studio, cases, exact, all_of(0.8, sparse))}
        for sparse in settings
    ]
    without = compare(studio, cases, exact, all_of(0.0, None))
    return {**circumstances(str(studio.pipeline.unet.device)), "people": num_people, "rows": rows, "without": without}


def page(record: dict[str, Any]) -> str:
    """The record as the section of a page."""
    default = Sparse()
    rows = []
    for row in [*record["rows"], {"share": None, **record["without"]}]:
        name = "no adapter"
        if row["share"] is not None:
            name = f"share {row['share']:g}, start {row['start']:g}"
            name += " (the switch)" if (row["share"], row["start"]) == (default.share, default.start) else ""
        change = row["likeness_change"]
        rows.append(
            [
                name,
                f"{row['psnr_median']:.1f}",
                f"{row['psnr_least']:.1f}",
                f"{row['difference_median']:.0f}",
                f"{row['difference_most']:.0f}",
                "" if change is None else f"{change:+.3f}",
            ]
        )
    columns = ["late steps", "PSNR dB, median", "least", "largest difference, median", "most", "likeness, mean change"]
    number = record["without"]["pictures"]
    return f"{number} pictures of {record['people']} people, against the exact path:\n\n{as_table(columns, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="miniature")
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the record there, too")
    parser.add_argument("--write", type=Path, help="replace the section of this page")
    arguments = parser.parse_args()
    record = measure(arguments.model, num_people=arguments.people, num_seeds=arguments.seeds)
    print(json.dumps(record))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.write:
        write_section(arguments.write, "sparse", record, page(record), sys.argv)


if __name__ == "__main__":
    main()
