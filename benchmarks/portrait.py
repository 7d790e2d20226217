"""Pictures per minute from a photo, end to end: one person, eight pictures, on the embedded model.

    python benchmarks/portrait.py --write docs/performance.md

In turns, in one process: ``studio`` opens once, analyses once and draws eight pictures side by side; ``again`` is eight
more from the same studio, handed the same photo anew; ``fast`` the same with the model's LoRA for few steps;
``repeating`` opens the model and analyses the photo for each picture, as flows do that keep nothing. Seconds by the
clock and of the processor.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from performance_page import as_table, circumstances, write_section

from limner.apps.bases import default_device
from limner.apps.studio import Studio
from limner.core.assets import asset_path

PICTURES, PROMPT = 8, "a photo of a person, smiling"
FLOWS = ("studio", "again", "fast", "repeating")


class Flows:
    """Four ways to eight pictures."""

    def __init__(self, model: str, steps: int, pictures: int) -> None:
        self.model, self.steps, self.pictures = model, steps, pictures
        self.photo = asset_path("example/person.jpg")
        self._studio: Studio | None = None

    def studio(self) -> None:
        """Everything once."""
        self._studio = Studio.open(self.model)
        self.again()

    def again(self) -> None:
        """The same from a studio that is open."""
        self._more(num_steps=self.steps)

    def fast(self) -> None:
        """The same in few steps."""
        self._more(fast=True)

    def _more(self, **settings: Any) -> None:
        assert self._studio is not None
        person = self._studio.identity(self.photo)
        self._studio.portrait(person, PROMPT, count=self.pictures, **settings)

    def repeating(self) -> None:
        """Everything for each picture."""
        for seed in range(self.pictures):
            with Studio.open(self.model) as studio:
                studio.portrait(studio.identity(self.photo), PROMPT, seed=seed, num_steps=self.steps)


def measure(model: str, *, rounds: int, steps: int, pictures: int = PICTURES) -> dict[str, Any]:
    """Everything, as one record."""
    flows = Flows(model, steps, pictures)
    flows.studio()  # what Python imports, once
    walls: dict[str, list[float]] = {name: [] for name in FLOWS}
    processor: dict[str, list[float]] = {name: [] for name in FLOWS}
    for _ in range(rounds):
        for name in FLOWS:
            wall, cpu = _seconds(getattr(flows, name))
            walls[name].append(wall)
            processor[name].append(cpu)
    ratios = {
        name: [slow / own for slow, own in zip(processor["repeating"], processor[name], strict=True)] for name in FLOWS
    }
    return {
        **circumstances(str(default_device())),
        "pictures": pictures,
        "steps": steps,
        "rounds": rounds,
        "pictures_per_minute": {name: 60 * pictures / statistics.median(walls[name]) for name in FLOWS},
        "processor_seconds": {name: statistics.median(processor[name]) for name in FLOWS},
        "times_faster_than_repeating": {
            name: {"median": statistics.median(ratios[name]), "low": min(ratios[name]), "high": max(ratios[name])}
            for name in FLOWS
        },
    }


def _seconds(run: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def page(record: dict[str, Any]) -> str:
    """The record as the section of a page."""
    told = {
        "studio": "opened once, one pass",
        "again": "eight more, the same photo",
        "fast": "eight more, four steps without guidance",
        "repeating": "all for each picture",
    }
    rows = []
    for name in FLOWS:
        faster = record["times_faster_than_repeating"][name]
        rows.append(
            [
                f"{name}: {told[name]}",
                f"{record['pictures_per_minute'][name]:.1f}",
                f"{record['processor_seconds'][name]:.1f}",
                f"{faster['median']:.2f} ({faster['low']:.2f} to {faster['high']:.2f})",
            ]
        )
    columns = ["flow", "pictures per minute", "processor seconds", "times faster, by processor seconds"]
    return f"{record['pictures']} pictures of {record['steps']} steps:\n\n{as_table(columns, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="miniature")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--json", type=Path, help="write the record there, too")
    parser.add_argument("--write", type=Path, help="replace the section of this page")
    arguments = parser.parse_args()
    record = measure(arguments.model, rounds=arguments.rounds, steps=arguments.steps)
    print(json.dumps(record))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.write:
        write_section(arguments.write, "portrait", record, page(record), sys.argv)


if __name__ == "__main__":
    main()
