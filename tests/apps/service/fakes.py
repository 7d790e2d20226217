"""A studio that draws at once, and services made of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from limner.apps.inpainting import Scene
from limner.apps.portraits import Order, Portrait
from limner.apps.service.bench import Bench
from limner.apps.service.blobs import Blobs
from limner.apps.service.database import Database
from limner.apps.service.job import NewJob
from limner.apps.service.settings import ServiceSettings, Times
from limner.apps.service.worker import Worker
from limner.apps.settings import InpaintSettings
from limner.core.errors import ConfigError, NoFaceError, RefusedError
from limner.core.images import read_image
from limner.identity.features import FaceFeatures
from limner.identity.identity import Identity
from limner.trust.making import Making, Source

SIDE = 16
FAST = Times(latency_budget=0.02, poll=0.02, lease=2.0, job=20.0, stop=5.0, body=5.0, stream=5.0)

MAKING = Making(kind="created", model="a fake")


def settings_in(folder: Path, **changes: Any) -> ServiceSettings:
    """Everything fast, in one folder."""
    return ServiceSettings(**{"data": folder, "times": FAST, "batch_pictures": 8, **changes})


def some_person() -> Identity:
    features = FaceFeatures("fake", torch.nn.functional.normalize(torch.ones(4), dim=0), 1.0, licence="fake")
    return Identity({"fake": features}, torch.tensor([0.5]), torch.zeros(1, 3))


def painted(prompt: str, seed: int) -> np.ndarray:
    """What the fake draws: the seed and the prompt decide every pixel."""
    rng = np.random.default_rng([seed, *prompt.encode()])
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


class FakeAssembly:
    """Parts of a model that has none to enlarge its pictures with."""

    @property
    def enlarger(self) -> None:
        raise ConfigError("the model in /a/secret/folder brings no network that enlarges its pictures")


class FakeStudio:
    """Draws noise, remembers what was drawn together, and does what prompts tell it to go wrong with."""

    def __init__(self, seconds_per_step: float = 0.0) -> None:
        self.seconds_per_step = seconds_per_step
        self.batches: list[list[str]] = []
        self.asked: dict[str, Any] = {}
        self.people: list[list[int | None]] = []
        """Of each call, who was to be drawn: how bright their photo was."""
        self.assembly = FakeAssembly()
        self.enlarged: list[bool] = []
        """Of each call, whether the pictures were to be enlarged."""
        self.steps = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def identity(self, photos: list[bytes], *, face_index: Any = None) -> Identity:
        means = [read_image(photo).mean() for photo in photos]
        if min(means) < 1:
            raise NoFaceError("photo 1: no face was found; give a photo of a face")
        return replace(some_person(), apparent_age=float(means[0]))

    def draw_together(self, orders: list[Order], *, progress: Any) -> list[list[Portrait] | RefusedError]:
        self.batches.append([order.settings.prompt for order in orders])
        self.people.append([_known_by(order.identity) for order in orders])
        self.enlarged.append(orders[0].settings.enlarge)
        steps = orders[0].settings.num_steps
        for step in range(steps):
            time.sleep(self.seconds_per_step)
            self.go_on.wait(30)
            self.steps += 1
            progress(step + 1, steps)
        if any(order.settings.prompt == "explode" for order in orders):
            raise RuntimeError("a secret of the inside")
        if any(order.settings.prompt == "refuse" for order in orders):
            raise NoFaceError("this cannot be drawn; ask for something else")
        return [
            RefusedError("a rule forbids it")
            if order.settings.prompt == "forbidden"
            else [
                Portrait(painted(order.settings.prompt, seed), seed, 0.5, order.settings, MAKING, ("", ""))
                for seed in order.seeds
            ]
            for order in orders
        ]

    def inpaint(self, people: list[Identity], template: bytes, *, progress: Any, **asked: Any) -> list[Scene]:
        """The template with its upper left corner painted anew."""
        self.asked = asked
        self.people.append([_known_by(person) for person in people])
        picture = read_image(template)
        if picture.mean() < 1:
            raise NoFaceError("the template shows nobody whose place could be taken")
        progress(1, 1)
        settings = InpaintSettings.of(prompt=asked["prompt"])
        scenes = []
        for seed in range(asked["seed"], asked["seed"] + asked["count"]):
            image = picture.copy()
            image[:SIDE, :SIDE] = painted(asked["prompt"], seed)
            region = np.any(image != picture, axis=2)
            source = Source(template, "image/png")
            similarities = tuple(0.5 - 0.1 * number for number in range(len(people)))
            scenes.append(Scene(image, seed, similarities, region, settings, MAKING, source))
        return scenes


def _known_by(person: Identity | None) -> int | None:
    return None if person is None or person.apparent_age is None else round(person.apparent_age)


def some_job(owner: str = "local", prompt: str = "a person", **changes: Any) -> NewJob:
    """A portrait without a person, as the API hands it in."""
    request = {"kind": "portrait", "prompt": prompt, "adapter_scale": 0.0, "num_steps": 2, "count": 1, "seed": 0}
    rows = changes.get("rows", 1)
    full = {"negative_prompt": "", "guidance_scale": None, "height": None, "width": None}
    values = {"model": "miniature", "group": "g", "rows": rows, "cost": float(rows)}
    return NewJob(owner, "portrait", request={**request, **full, "count": rows}, **{**values, **changes})


def make_worker(database: Database, settings: ServiceSettings, studio: Any) -> Worker:
    blobs = Blobs(settings.data)
    return Worker(database, blobs, Bench(database, settings, blobs, lambda _: studio), settings)


@contextmanager
def working(database: Database, settings: ServiceSettings, studio: Any) -> Iterator[Worker]:
    """A worker in a thread for the length of a block."""
    worker = make_worker(database, settings, studio)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(condition: Any, seconds: float = 30.0) -> Any:
    """What ``condition`` gives as soon as that is true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"it did not come true within {seconds} s")
