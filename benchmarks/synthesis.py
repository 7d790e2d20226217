"""Where does the time of `limner data synthesize` go, and what does keeping freed memory bring?

    python benchmarks/synthesis.py --generator .venv/lib/python3.11/site-packages/random_face/data \
        --directions recipes/directions.npz

The same pictures twice, each time in a process of its own, since the switch cannot be turned back.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from limner.apps.tables import print_table
from limner.core.allocation import keep_freed_memory
from limner.data.face_generator import FaceGenerator
from limner.data.measuring import PictureMeasurer
from limner.data.synthesis import Directions, plan_person
from limner.diffusion.upscaling import to_picture

SEED, PICTURES_EACH = 9, 3


def main(
    generator: Annotated[Path, typer.Option(help="As for `limner data synthesize`.")],
    directions: Annotated[Path, typer.Option(help="As for `limner data synthesize`.")],
    people: Annotated[int, typer.Option(min=1, help="Of three pictures each.")] = 7,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    inside: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print one table."""
    if inside:
        if inside == "kept":
            keep_freed_memory()
        torch.set_num_threads(threads)
        sys.stdout.write(json.dumps(_timed(generator, directions, people)))
        return
    rows = []
    for way, told in (("given back", "as glibc does it"), ("kept", "limner data synthesize")):
        program = [sys.executable, __file__, "--generator", generator, "--directions", directions, "--people", people]
        program += ["--threads", threads, "--inside", way]
        done = subprocess.run([str(part) for part in program], capture_output=True, text=True, check=True)
        rows.append([f"memory is {way} ({told})", *json.loads(done.stdout.splitlines()[-1])])
    title = f"processor seconds a picture, {people * PICTURES_EACH} pictures, {threads} threads"
    print_table(title, ["", "draw", "of it in the system", "measure", "page faults a picture"], rows)


def _timed(generator: Path, directions: Path, people: int) -> list[str]:
    network = FaceGenerator(generator).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    edits, measurer = Directions.read(directions), PictureMeasurer()
    shots = [plan_person(person, PICTURES_EACH, network, edits, seed=SEED) for person in range(people)]
    styles = [torch.stack([shot.styles for shot in own]) for own in shots]
    warm = torch.nn.functional.interpolate(network(styles[0]), (256, 256), mode="area")
    measurer.measure(to_picture(warm[0]))
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    faces = torch.cat([torch.nn.functional.interpolate(network(own), (256, 256), mode="area") for own in styles])
    drawn, after = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF)
    started = time.process_time()
    for face in faces:
        measurer.measure(to_picture(face))
    measured = time.process_time() - started
    seconds = [drawn, after.ru_stime - before.ru_stime, measured]
    faults = (after.ru_minflt - before.ru_minflt) / len(faces)
    return [f"{one / len(faces):.3f}" for one in seconds] + [f"{faults:.0f}"]


if __name__ == "__main__":
    typer.run(main)
