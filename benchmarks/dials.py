"""What the real controls do to likeness and variety: the table behind `--likeness` and `--variety`, and its curves.

    python benchmarks/dials.py --shards people/shards --features FILE --write docs

Generated people whom no training saw are drawn with every way of showing a person (step window, face guidance,
guidance) at every scale, with the same seeds. The judge, which took no part in training, compares each picture with
*other* photos of the person; variety is the distance between the pictures of one sentence. Pictures are kept in
--work, so a stopped run goes on. With --write the table is laid beside the adapter's file, and the page
howto-dials.md gets its numbers and curves.

38 settings of 12 people, 2 sentences and 3 seeds are 2736 pictures of 12 steps: at 0.8 seconds each 37 minutes, and
about half as much again for looking at them. --people 4 is a first look.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from dials_plot import Point, plot
from performance_page import as_table, circumstances, write_section

from limner.apps.assembly import open_adapter, own_adapter
from limner.apps.bases import Base, open_base
from limner.apps.dial_table import DialTable, Way, write_table
from limner.apps.evaluation_instruments import open_instruments, roles_told
from limner.apps.evaluation_methods import StudioMethod, drawing_keys, drawing_methods
from limner.apps.opened_adapter import OpenedAdapter
from limner.core.checkpoint import read_header
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.evaluation.comparison import BASE, compare
from limner.evaluation.intervals import Measured
from limner.evaluation.metrics import differences, measure_some, table_of
from limner.evaluation.people import people_of, spaces_of
from limner.evaluation.picture_store import PictureStore
from limner.evaluation.protocol import Protocol
from limner.evaluation.roles import require_independent, took_part
from limner.identity.recognition import JUDGE_SPACE

SCALES = (0.3, 0.6, 0.8, 1.0, 1.3)
STARTS = (0.0, 0.15, 0.3, 0.5)
GUIDANCE = (0.75, 1.5)
"""Factors on the base's own."""
OUTSIDE = "relative_change_outside"
PAGE, SECTION, CURVES = "howto-dials.md", "measured dials", "dials.svg"


@dataclass(frozen=True)
class Shown:
    """A way of showing a person: its name, and what is set besides the scale."""

    name: str
    window: tuple[float, float]
    guidance_scale: float
    face_guidance: str = "dropped"

    @property
    def dials(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "name"}


@dataclass(frozen=True)
class Cell:
    """One way at one scale, measured; ``gain`` is its likeness minus that of the base on the same people."""

    way: Shown
    scale: float
    likeness: Measured
    gain: Measured
    variety: Measured
    outside: Measured
    found: Measured


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    adapter: Annotated[Path | None, typer.Option(help="The model's own if not given.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="As for `limner portrait`.")] = None,
    people: Annotated[int, typer.Option(min=2)] = 12,
    seeds: Annotated[int, typer.Option(min=2)] = 3,
    steps: Annotated[int, typer.Option(min=1)] = 12,
    features: Annotated[Path | None, typer.Option(help="As for `limner evaluate`.")] = None,
    work: Annotated[Path, typer.Option(help="Pictures and report.")] = Path("out/dials"),
    write: Annotated[Path | None, typer.Option(help="Folder of the docs; also lays the table by the adapter.")] = None,
) -> None:
    """Draw what is missing, measure, and write."""
    base = open_base(model)
    path = adapter or own_adapter(base)
    if path is None:
        raise ConfigError(f"{model} has no face adapter; name one (--adapter)")
    opened = open_adapter(path, base, encoder=encoder)
    rules = Protocol(
        name="dials", people=people, seeds=seeds, steps=steps, wishes=({"expression": "smiling"}, {"direction": "left"})
    )
    cells, about = measure(base, opened, rules, shards, features, work)
    report = {**about, **circumstances(str(base.pipeline.device.type)), "cells": [asdict(cell) for cell in cells]}
    with replacing(work / "report.json") as unfinished:
        unfinished.write_text(json.dumps(report, indent=1) + "\n")
    typer.echo(told(cells))
    if write is not None:
        write_table(path, table(cells, opened, rules, report))
        draw_page(write, cells, report)


def ways(base: Base) -> Iterator[Shown]:
    """The usual one first; the others differ from it in one thing each."""
    usual = Shown("usual", base.window, guidance_scale=base.guidance_scale)
    yield usual
    for start in STARTS:
        if (start, 1.0) != usual.window:
            yield replace(usual, name=f"from {start:g} of the run", window=(start, 1.0))
    yield replace(usual, name="shared face guidance", face_guidance="shared")
    for factor in GUIDANCE:
        guidance = max(factor * usual.guidance_scale, 1.0)
        yield replace(usual, name=f"guidance {guidance:g}", guidance_scale=guidance)


def measure(
    base: Base, adapter: OpenedAdapter, rules: Protocol, shards: Path, features: Path | None, work: Path
) -> tuple[list[Cell], dict[str, Any]]:
    """Every way at every scale, and who measured."""
    index = ShardIndex(shards)
    paths = [one for one in (adapter.path, adapter.encoder_path) if one is not None]
    part = took_part({str(one): read_header(one) for one in paths}, spaces_of(index))
    require_independent(JUDGE_SPACE, part)
    instruments, notes = open_instruments(JUDGE_SPACE, features=features)
    variety = "pixel_diversity" if instruments.features is None else "perceptual_diversity"
    chosen = people_of(index, rules)
    if not all(person.generated for person in chosen):
        raise ConfigError(f"{shards} has people who exist; draw generated ones only")
    [method] = drawing_methods(base, {"own": adapter}, rules).values()
    grid = {name(way, scale): (way, scale) for way in ways(base) for scale in (0.0, *SCALES)}
    # Without the face a window or the null face makes no difference: those are the base's own pictures.
    drawn = {key: one for key, one in grid.items() if one[1] or one[0].guidance_scale != base.guidance_scale}
    methods = {
        key: StudioMethod(method.studio, method.enrolment, rules, {**way.dials, "adapter_scale": scale})
        for key, (way, scale) in drawn.items()
    }
    own = drawing_keys(base, {"own": adapter}, rules)
    keys = {key: hashlib.sha256(f"{own['own']} {key}".encode()).hexdigest()[:12] for key in methods}
    store = PictureStore(work / "pictures", {BASE: own[BASE], **keys})
    outcomes = compare(chosen, methods, rules, instruments, max_shown=0, keep=store, progress=_say).outcomes
    unshown = table_of(outcomes[BASE])
    everybody = np.ones(len(outcomes[BASE]), bool)
    cells = []
    for key, (way, scale) in grid.items():
        numbers = table_of(outcomes[key if key in methods else BASE])
        found = measure_some(numbers, ("share", variety, OUTSIDE, "found"), everybody, seed=0)
        gain = differences(numbers, unshown, seed=0)["share"]
        cells.append(Cell(way, scale, found["share"], gain, found[variety], found[OUTSIDE], found["found"]))
    roles = roles_told(JUDGE_SPACE, part, classified=False)
    return cells, {"protocol": rules.model_dump(mode="json"), "variety_by": variety, "roles": roles, "notes": notes}


def name(way: Shown, scale: float) -> str:
    """Of a cell, good for a folder."""
    return f"{way.name} {scale:g}".replace(" ", "-")


def table(cells: list[Cell], adapter: OpenedAdapter, rules: Protocol, report: Mapping[str, Any]) -> DialTable:
    """What ships: the values without their intervals.

    Raises:
        ConfigError: no setting is measurably more like the person than the base; a dial would turn noise.
    """
    if not any(cell.gain.low > 0 for cell in cells):
        raise ConfigError(
            "no setting makes pictures measurably more like the person than the model without the face, so there is "
            "nothing that a dial could turn; measure more people (--people), or train the adapter further"
        )
    found: dict[Shown, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.way, []).append(cell)
    return DialTable(
        adapter=adapter.sha256,
        about=f"{rules.people} generated people, {rules.seeds} seeds, {rules.steps} steps; {report['date']}; python "
        "benchmarks/dials.py",
        variety_by=report["variety_by"],
        ways=tuple(
            Way(
                **way.dials,
                scales=tuple(cell.scale for cell in own),
                likeness=tuple(round(cell.likeness.value, 4) for cell in own),
                variety=tuple(round(cell.variety.value, 4) for cell in own),
            )
            for way, own in found.items()
        ),
    )


def told(cells: list[Cell]) -> str:
    """A table in Markdown."""
    columns = (
        "way of showing the person", "scale", "likeness", "more than without", "variety", "change beside the face",
        "faces found",
    )  # fmt: skip
    rows = [
        [cell.way.name, f"{cell.scale:g}", *map(_said, (cell.likeness, cell.gain, cell.variety, cell.outside)),
         f"{100 * cell.found.value:.0f} %"]
        for cell in cells
    ]  # fmt: skip
    return as_table(columns, rows)


def draw_page(docs: Path, cells: list[Cell], report: Mapping[str, Any]) -> None:
    """Curves and numbers of the how-to."""
    points: dict[str, list[Point]] = {}
    for cell in cells:
        points.setdefault(cell.way.name, []).append(Point(f"{cell.scale:g}", cell.likeness, cell.variety))
    (docs / "pictures").mkdir(exist_ok=True)
    with replacing(docs / "pictures" / CURVES) as unfinished:
        unfinished.write_text(plot(points, across="likeness", up="variety"), encoding="utf-8")
    text = f"![Likeness and variety at each scale, one curve for each way](pictures/{CURVES})\n\n{told(cells)}"
    write_section(docs / PAGE, SECTION, dict(report), text, ["benchmarks/dials.py", *sys.argv[1:]])


def _said(measured: Measured) -> str:
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


def _say(done: int) -> None:
    print(f"{done} people", flush=True)


if __name__ == "__main__":
    typer.run(main)
