"""Examining a service that runs somewhere: what `limner doctor --url` looks at, one finding after the other."""

import ipaddress
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from limner.apps.service_client import Answer, ServiceClient, UnreachableError

State = Literal["ok", "wrong", "unknown"]
MOST_CLOCK_SECONDS = 30.0
"""Signatures and consents have dates; clocks further apart than this put them in doubt."""
LEAST_FREE_BYTES = 2**30
LONGEST_WAIT_SECONDS = 600.0
JOB_SECONDS = 300.0
POLL_SECONDS = 0.5
HEALTH = {
    "no worker": "requests are taken and nobody draws; look at the log of `limner serve` or start `limner work`",
    "no database": "the service cannot reach its database; is it running, and is its address right?",
}
TINY_JOB = {"kind": "portrait", "prompt": "a photo of a person", "adapter_scale": 0, "num_steps": 1, "seed": 1}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what, in a word or two.
        state: "unknown" where it could not be looked at, which is not wrong.
        told: what was found and, if it is wrong, what to do.
    """

    name: str
    state: State
    told: str


def examine_deployment(client: ServiceClient, *, job: bool = False) -> Iterator[Finding]:
    """Look at a running service; never raises for what it finds.

    Args:
        client: knows the address and perhaps a key.
        job: have a tiny picture drawn, look whether it is marked, and delete it; needs a key that may draw.
    """
    try:
        yield from _findings(client, job)
    except UnreachableError as error:
        yield Finding("reachable", "wrong", f"{error}; is `limner serve` running there, and is the address right?")


def _findings(client: ServiceClient, job: bool) -> Iterator[Finding]:
    health = client.get("/health", keyed=False)
    status = health.word("status")
    if status is None:
        yield Finding("reachable", "wrong", f"something else than Limner answers at {client.url} ({health.status})")
        return
    yield Finding("reachable", "ok", f"answers at {client.url}")
    yield _health(status)
    yield _closed(client)
    asked_at = time.time()
    answer = client.get("/v1/status")
    middle = (asked_at + time.time()) / 2
    if answer.status != 200:
        yield _without_status(client, answer)
        return
    yield from _inside(answer.content, middle)
    if job:
        yield _marks(client)


def _health(status: str) -> Finding:
    return Finding("health", "ok", "ok") if status == "ok" else Finding("health", "wrong", HEALTH.get(status, status))


def _closed(client: ServiceClient) -> Finding:
    if client.get("/v1/jobs?limit=1", keyed=False).status == 401:
        return Finding("closed", "ok", "nobody gets in without a key")
    if _is_loopback(client.url):
        return Finding("closed", "ok", "no key was made yet: open, to programs on this machine only")
    return Finding("closed", "wrong", "it answers without a key; make one with `limner keys create`")


def _without_status(client: ServiceClient, answer: Answer) -> Finding:
    if answer.status == 401 and not client.has_key:
        return Finding("the rest", "unknown", "needs a key that may read; give its file as --key-file")
    if answer.status == 404:
        return Finding("the rest", "wrong", "the service is of an older version that cannot tell; update it")
    return Finding("the rest", "wrong", f"the service refuses ({answer.status}): {answer.word('message')}")


def _inside(told: dict[str, Any], now: float) -> Iterator[Finding]:
    mine, theirs = version("limner"), told["version"]
    same = mine == theirs
    yield Finding("version", "ok" if same else "wrong", theirs if same else f"{theirs} there, {mine} here; update one")
    yield Finding("database", "ok", f"{told['database']}, answers")
    yield _workers(told["workers"])
    wait, pictures = told["longest_wait_seconds"], told["waiting_pictures"]
    slow = wait > LONGEST_WAIT_SECONDS
    queue = f"{pictures} pictures wait, the first for {wait:.0f} s" if pictures else "nothing waits"
    yield Finding("queue", "wrong" if slow else "ok", f"{queue}; start more workers" if slow else queue)
    off = told["time"] - now
    late = abs(off) > MOST_CLOCK_SECONDS
    clock = f"{abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} this machine's"
    yield Finding("clock", "wrong" if late else "ok", f"{clock}; set the clocks by a time server" if late else clock)
    full = told["free_bytes"] < LEAST_FREE_BYTES
    room = f"{told['free_bytes'] / 2**30:.1f} GiB free"
    yield Finding("disk", "wrong" if full else "ok", f"{room}; make room or shorten the retention" if full else room)
    limits = told["limits"]
    yield Finding(
        "limits",
        "ok",
        f"{limits['pictures_per_job']} pictures and {limits['steps']} steps a job, {limits['upload_bytes']:,} bytes an "
        f"upload, {limits['queue_per_key']} jobs a key, {limits['queue']} in all",
    )


def _workers(told: list[dict[str, Any]]) -> Finding:
    alive = [worker for worker in told if worker["alive"]]
    if not alive:
        return Finding("workers", "wrong", f"none of {len(told)} gave a sign of life lately; start `limner work`")
    last = min(worker["seconds_since_sign"] for worker in alive)
    return Finding("workers", "ok", f"{len(alive)} alive, the last sign {last:.1f} s ago")


def _marks(client: ServiceClient) -> Finding:
    made = client.post("/v1/jobs", TINY_JOB)
    if made.status != 201:
        return Finding("marks", "wrong", f"a tiny job was refused ({made.status}): {made.word('message')}")
    path = f"/v1/jobs/{made.content['id']}"
    try:
        return _drawn(client, path)
    finally:
        client.delete(path)


def _drawn(client: ServiceClient, path: str) -> Finding:
    until = time.monotonic() + JOB_SECONDS
    while (job := client.get(path)).word("state") in ("queued", "running"):
        if time.monotonic() > until:
            return Finding("marks", "wrong", f"a tiny job was not done within {JOB_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    if job.word("state") != "done":
        return Finding("marks", "wrong", f"a tiny job was not done: {job.word('problem') or job.word('message')}")
    return _checked(client.raw(f"{path}/pictures/{job.content['pictures'][0]['id']}"))


def _checked(content: bytes) -> Finding:
    from limner.trust.checking import check_picture

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        file.write_bytes(content)
        verdict = check_picture(file)
    if verdict.status != "marked" or verdict.manifest is None:
        why = "; ".join(verdict.problems) or "it carries no manifest"
        return Finding("marks", "wrong", f"a picture came out {verdict.status}: {why}; see docs/trust.md")
    watermark = "watermarked" if verdict.watermark is not None else "not watermarked"
    return Finding("marks", "ok", f"a picture was drawn, signed by {verdict.manifest.signer}, {watermark}")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
