"""Throughput of the service under load, against drawing the same pictures in full batches without any service.

    python benchmarks/service.py --clients 32 --seconds 600
    python benchmarks/service.py --model /path/to/miniature --steps 25

In one run, on one machine: a process draws full batches of different people, prompts and seeds (``raw``); then `limner
serve` with one worker is used by a number of clients, each of which hands in a job of one picture, follows it, fetches
the picture and begins anew (``service``); then ``raw`` once more, since machines change their pace. Prints one line of
JSON: pictures per second of both, their ratio, the clients' latency, and how the memory of server and worker grew from
the first to the last quarter of the load. All traffic stays on the loopback. Every job must end with its picture.

Without ``--model`` it is the miniature at its real size with random weights.
"""

import argparse
import hashlib
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

PEOPLE = 4
PROMPTS = ("a photo of a person, smiling", "a pencil drawing of a person", "a person with glasses", "a person outside")
BATCH = 8
MODEL = "bench"
PARTS = (("p50", 0.5), ("p95", 0.95))


def save_model(folder: Path) -> None:
    """A miniature of the real size with random weights, its adapter and a small encoder."""
    import torch

    from limner.adapters.projectors import ResamplerConfig
    from limner.diffusion.autoencoder import TinyFaceAutoencoder
    from limner.diffusion.miniature import Miniature, MiniatureConfig, build_unet
    from limner.diffusion.text import build_text_encoder, train_tokenizer
    from limner.identity.encoder import save_encoder
    from limner.identity.vit import FaceViT, ViTConfig
    from limner.systems.fact import Fact, FactConfig

    torch.manual_seed(0)
    config = MiniatureConfig()
    tokenizer = train_tokenizer(list(PROMPTS) * 20, vocabulary=400, max_tokens=config.max_tokens)
    text_encoder = build_text_encoder(tokenizer, width=config.text_width, depth=config.text_depth)
    miniature = Miniature(config, build_unet(config), TinyFaceAutoencoder(), text_encoder, tokenizer)
    miniature.save(folder)
    vit = ViTConfig(patch=28, width=16, depth=1, heads=2, embedding=8)
    sizes = ResamplerConfig(feature_width=vit.width, width=256, num_layers=3, num_heads=4, context_width=256)
    fact = FactConfig(
        backbone="bench", feature_space="bench", template="arcface-112", licence="CC0", num_patches=vit.num_patches,
        resampler=sizes,
    )  # fmt: skip
    Fact.for_backbone(miniature.unet, fact).save(folder / "adapter.safetensors")
    save_encoder(folder / "encoder.safetensors", FaceViT(vit), feature_space="bench", licence="CC0")


def draw_raw(model: str, steps: int, seconds: float) -> float:
    """Pictures per second of full batches of different people, prompts and seeds."""
    from limner.apps.portraits import Order
    from limner.apps.settings import PortraitSettings
    from limner.apps.studio import Studio
    from limner.core.assets import asset_path

    studio = Studio.open(model)
    people = [studio.identity(asset_path("example/person.jpg")) for _ in range(PEOPLE)]

    def batch(number: int) -> None:
        wanted = [(people[row % PEOPLE], PROMPTS[row % len(PROMPTS)], number * BATCH + row) for row in range(BATCH)]
        studio.draw_together(
            [Order(who, PortraitSettings(prompt=what, seed=seed, num_steps=steps)) for who, what, seed in wanted]
        )

    batch(0)
    started, number = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        number += 1
        batch(number)
    return number * BATCH / (time.perf_counter() - started)


def raw_in_its_own_process(model: str, steps: int, seconds: float) -> float:
    """:func:`draw_raw` where its memory and threads are its own."""
    command = [sys.executable, __file__, "--raw", "--model", model, "--steps", str(steps)]
    command += ["--raw-seconds", str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


@contextmanager
def serving(model: str, folder: Path, database: str | None) -> Iterator[tuple[str, psutil.Process]]:
    """`limner serve` on a free port of the loopback; its address and process."""
    from limner.apps.service.settings import Limits, ModelSettings, ServiceSettings

    config = folder / "service.toml"
    ServiceSettings(
        data=folder / "data",
        database=database,
        models={MODEL: ModelSettings(model=model)},
        batch_pictures=BATCH,
        limits=Limits(queue_per_key=1000, streams=256),
    ).write(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from limner.apps.cli import main; main()", "serve", "--config", str(config)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stderr=log)
        try:
            _wait_until_ready(url, process, folder / "log.txt")
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(120)


def _wait_until_ready(url: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the service ended: {log.read_text()}")
        try:
            if httpx2.get(f"{url}/health").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit("the service did not become ready")


def learn_people(url: str) -> list[str]:
    """Identities of the packaged example person, who does not exist."""
    from limner.core.assets import asset_path

    content = asset_path("example/person.jpg").read_bytes()
    people = []
    with httpx2.Client(base_url=url, timeout=60) as client:
        for _ in range(PEOPLE):
            upload = client.post("/v1/uploads", content=content).raise_for_status().json()["id"]
            wish = {"name": "example", "photos": [upload]}
            people.append(client.post("/v1/identities", json=wish).raise_for_status().json()["id"])
        while any(client.get(f"/v1/identities/{person}").json()["state"] == "pending" for person in people):
            time.sleep(0.2)
    return people


class Load:
    """Clients that ask for one picture after the other until time is over."""

    def __init__(self, url: str, people: Sequence[str], steps: int, seconds: float) -> None:
        self.url, self.people, self.steps = url, people, steps
        self.until = time.monotonic() + seconds
        self.latencies: list[float] = []
        self.problems: list[str] = []

    def run(self, clients: int) -> float:
        """Seconds that it took until the last client was served."""
        started = time.monotonic()
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - started

    def _client(self, number: int) -> None:
        rng = random.Random(number)
        with httpx2.Client(base_url=self.url, timeout=600) as client:
            while time.monotonic() < self.until:
                started = time.monotonic()
                try:
                    self._one_picture(client, rng)
                except (httpx2.HTTPError, AssertionError) as error:
                    self.problems.append(f"{type(error).__name__}: {error}")
                    return
                self.latencies.append(time.monotonic() - started)

    def _one_picture(self, client: httpx2.Client, rng: random.Random) -> None:
        request = {"kind": "portrait", "identity": rng.choice(self.people), "prompt": rng.choice(PROMPTS)}
        request |= {"seed": rng.randrange(2**32), "num_steps": self.steps}
        headers = {"Idempotency-Key": f"{rng.getrandbits(64):x}"}
        job = client.post("/v1/jobs", json=request, headers=headers).raise_for_status().json()["id"]
        client.get(f"/v1/jobs/{job}/events").raise_for_status()
        ended = client.get(f"/v1/jobs/{job}").raise_for_status().json()
        assert ended["state"] == "done", ended
        [picture] = ended["pictures"]
        content = client.get(f"/v1/jobs/{job}/pictures/{picture['id']}").raise_for_status().content
        assert hashlib.sha256(content).hexdigest() == picture["sha256"]


class Memory:
    """Samples the resident memory of a process and its child each second for the length of a block."""

    def __init__(self, process: psutil.Process) -> None:
        self.process, self.samples = process, []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def quarters(self) -> dict[str, list[float]]:
        """Median MiB in each quarter, of the server and of its worker."""
        size = max(len(self.samples) // 4, 1)
        chunks = [self.samples[size * number : size * (number + 1)] or self.samples[-1:] for number in range(4)]
        return {
            name: [round(statistics.median(sample[place] for sample in chunk) / 2**20, 1) for chunk in chunks]
            for place, name in enumerate(("server", "worker"))
        }

    def _sample(self) -> None:
        [worker] = self.process.children()
        while not self._over.wait(1.0):
            self.samples.append((self.process.memory_info().rss, worker.memory_info().rss))


def measure(model: str, *, clients: int, seconds: float, raw_seconds: float, steps: int, database: str | None) -> dict:
    """Everything, as one record."""
    before = raw_in_its_own_process(model, steps, raw_seconds)
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder), database) as (url, process):
        load = Load(url, learn_people(url), steps, seconds)
        with Memory(process) as memory:
            took = load.run(clients)
        numbers = {line.split()[0]: line.split()[1] for line in httpx2.get(f"{url}/metrics").text.splitlines() if line}
    after = raw_in_its_own_process(model, steps, raw_seconds)
    raw, service = (before + after) / 2, len(load.latencies) / took
    latencies = sorted(load.latencies)
    return {
        "clients": clients,
        "seconds": round(took, 1),
        "steps": steps,
        "jobs": len(latencies),
        "problems": load.problems[:5],
        "raw_pictures_per_second": [round(before, 3), round(after, 3)],
        "service_pictures_per_second": round(service, 3),
        "ratio": round(service / raw, 3),
        "mean_batch": round(_number(numbers, "batch_rows") / max(_number(numbers, "batches"), 1), 2),
        "latency_seconds": {name: round(latencies[int(len(latencies) * part)], 2) for name, part in PARTS if latencies},
        "memory_mib_by_quarter": memory.quarters(),
    }


def _number(numbers: dict[str, str], name: str) -> float:
    return float(numbers[f"limner_{name}_total"])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options, with random weights in a temporary folder if no model is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--raw-seconds", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--database", help="SQLAlchemy URL; SQLite if not given.")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Measure and print."""
    options = parse()
    if options.raw:
        print(draw_raw(options.model, options.steps, options.raw_seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        model: Any = options.model
        if model is None:
            save_model(Path(folder))
            model = folder
        record = measure(
            model,
            clients=options.clients,
            seconds=options.seconds,
            raw_seconds=options.raw_seconds,
            steps=options.steps,
            database=options.database,
        )
    print(json.dumps(record))


if __name__ == "__main__":
    main()
