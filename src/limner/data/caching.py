"""Keeping in the shards what frozen models make of the records, so that training does not make it again and again.

A cached tensor is named ``<kind>/<hash>``, the hash being of the model's files and of everything else its numbers
follow from: another model, another name, and nobody is served what is stale.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load, save

from limner.core.errors import ConfigError
from limner.data.card import CARD_NAME, write_card
from limner.data.folder_lock import only_one
from limner.data.record import CACHED, FaceRecord, record_of, shards_in
from limner.data.tar_samples import Sample, path_errors, read_samples, scan_places, write_samples

Compute = Callable[[Sequence[FaceRecord]], Sequence[np.ndarray]]
"""One array for each record, of a type that numpy has (no bfloat16)."""
BATCH = 16


def cache_name(kind: str, folders: Iterable[Path], **settings: object) -> str:
    """The name of what a model makes, e.g. ``latents/5d0c1f2a9b3e``.

    Args:
        kind: what it is, in one word.
        folders: hold the model's files, all of which count.
        settings: whatever else the numbers follow from, such as the side of the pictures.

    Raises:
        ConfigError: a folder holds no file.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        if not files:
            raise ConfigError(f"{folder} holds no files of a model; give the folder of one")
        for path in files:
            digest.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{kind}/{digest.hexdigest()[:12]}"


def cache_tensors(
    folder: Path,
    name: str,
    compute: Compute,
    *,
    drop_others: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Store ``compute``'s answers under ``name`` in every record; returns how many records were missing it.

    A shard is replaced when it is complete, so a call that is killed loses at most the work on one shard. The pictures
    are copied, not encoded anew.

    Args:
        drop_others: take away tensors of the same kind that other models made.
        progress: told how many of how many shards are done.

    Raises:
        InputError: the folder holds no shards, or broken ones, or is in use.
    """
    computed = 0
    with only_one(folder):
        shards = shards_in(folder)
        for number, shard in enumerate(shards):
            progress(number, len(shards))
            unwanted = _unwanted(shard, name, drop_others)
            missing = _missing(shard, name)
            if missing or unwanted:
                write_samples(shard, _with_tensors(shard, name, compute, unwanted))
            computed += missing
        progress(len(shards), len(shards))
        if (folder / CARD_NAME).exists():
            write_card(folder)
    return computed


def stack_pictures(records: Sequence[FaceRecord], pixels: int) -> np.ndarray:
    """The pictures at ``pixels`` a side, RGB uint8 ``(records, pixels, pixels, 3)``, as they are encoded."""
    return np.stack([cv2.resize(one.image, (pixels, pixels), interpolation=cv2.INTER_AREA) for one in records])


def cached_names(shard: Path) -> Iterator[set[str]]:
    """Names of the tensors of each record of a shard."""
    with path_errors(shard), shard.open("rb") as file:
        for _, content in scan_places(file, CACHED):
            # The header alone tells: eight bytes of length, then JSON.
            yield set(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])) if content else set()


def _missing(shard: Path, name: str) -> int:
    return sum(name not in names for names in cached_names(shard))


def _unwanted(shard: Path, name: str, drop_others: bool) -> set[str]:
    kind = name.partition("/")[0] + "/"
    names = set[str]().union(*cached_names(shard)) if drop_others else set[str]()
    return {other for other in names if other.startswith(kind) and other != name}


def _with_tensors(shard: Path, name: str, compute: Compute, unwanted: set[str]) -> Iterator[Sample]:
    samples = read_samples(shard)
    while chunk := list(islice(samples, BATCH)):
        before = [load(sample.parts[CACHED]) if CACHED in sample.parts else {} for sample in chunk]
        wanting = [number for number, tensors in enumerate(before) if name not in tensors]
        with path_errors(shard):
            records = [record_of(chunk[number], shard) for number in wanting]
        arrays = compute(records) if records else []
        for number, array in zip(wanting, arrays, strict=True):
            before[number][name] = np.ascontiguousarray(array)
        for sample, tensors in zip(chunk, before, strict=True):
            kept = {key: value for key, value in tensors.items() if key not in unwanted}
            yield replace(sample, parts=sample.parts | {CACHED: save(kept)})
