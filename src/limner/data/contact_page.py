"""One HTML file to look through a folder of shards: thumbnails with the measured numbers, filters for every group.

The file needs nothing else, neither a server nor a network.
"""

import base64
import html
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.bins import bins_of
from limner.data.contact_page_text import PAGE
from limner.data.record import FACTS, PICTURE, decode_facts
from limner.data.shard_index import ShardIndex

PAGE_NAME = "contact-sheet.html"
THUMBNAIL_PIXELS = 112


@dataclass(frozen=True)
class Filter:
    """Which records to show; what is empty lets everything pass.

    Attributes:
        source, split: as in the records.
        groups: division -> group, e.g. ``{"glasses": "yes"}``; see ``bins.py``.
        most: a random choice of so many, the same at every call.
    """

    source: str = ""
    split: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    most: int = 500


@dataclass(frozen=True)
class _Shown:
    """One record: what it can be filtered by, its facts, its picture as JPEG."""

    groups: dict[str, str]
    facts: dict[str, Any]
    picture: bytes


def write_contact_page(folder: Path, path: Path, wanted: Filter) -> int:
    """Write the page and return how many records it shows.

    Raises:
        InputError: the folder holds no shards, nothing passes the filter, or a division does not exist.
    """
    index = ShardIndex(folder)
    numbers = _chosen(index, wanted)
    if not numbers:
        raise InputError(f"no record of {folder} passes this filter; leave out a part of it")
    shown = [_read(index, number) for number in numbers]
    page = PAGE.substitute(
        title=html.escape(f"{folder.name}: {len(shown)} of {len(index)} pictures"),
        filters="\n".join(_menu(name, sorted({one.groups[name] for one in shown})) for name in shown[0].groups),
        tiles="\n".join(_tile(one) for one in shown),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return len(shown)


def _chosen(index: ShardIndex, wanted: Filter) -> list[int]:
    """In the order of the shards."""
    order = torch.randperm(len(index), generator=torch.Generator().manual_seed(0)).tolist()
    passing: Iterator[int] = (number for number in order if _passes(index, number, wanted))
    return sorted(number for number, _ in zip(passing, range(wanted.most), strict=False))


def _passes(index: ShardIndex, number: int, wanted: Filter) -> bool:
    entry = index.entries[number]
    if wanted.source not in ("", entry.source) or wanted.split not in ("", entry.split):
        return False
    if not wanted.groups:
        return True
    groups = bins_of(index.facts(number))
    unknown = sorted(set(wanted.groups) - set(groups))
    if unknown:
        raise InputError(f"records cannot be told apart by {', '.join(unknown)}; choose from {', '.join(groups)}")
    return all(groups[division] == group for division, group in wanted.groups.items())


def _read(index: ShardIndex, number: int) -> _Shown:
    entry, sample = index.entries[number], index.sample(number)
    facts = decode_facts(sample.parts[FACTS], index.folder / entry.shard)
    groups = {"source": entry.source, "split": entry.split} | bins_of(facts)
    return _Shown(groups, facts, sample.parts[PICTURE])


def _menu(division: str, groups: Iterable[str]) -> str:
    choices = "".join(f"<option>{html.escape(group)}</option>" for group in groups)
    name = html.escape(division)
    return f'<label>{name} <select data-division="{name}"><option value="">all</option>{choices}</select></label>'


def _tile(one: _Shown) -> str:
    facts = one.facts
    told = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in _told(facts)
    )
    return (
        f'<figure data-groups="{html.escape(json.dumps(one.groups))}">'
        f'<img loading="lazy" alt="" src="{_thumbnail(one.picture)}">'
        f"<figcaption><b>{html.escape(facts['person'])}</b><br>{html.escape(facts.get('caption') or '')}"
        f"<details><summary>numbers</summary><table>{told}</table></details></figcaption></figure>"
    )


def _told(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("key", "source", "split", "licence", "age_years", "male", "quality"):
        yield name, _short(facts.get(name))
    for name, value in facts["numbers"].items():
        yield name, _short(value)


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_short(one) for one in value)
    return f"{value:.2f}" if isinstance(value, float) else "" if value is None else str(value)


def _thumbnail(jpeg: bytes) -> str:
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    small = io.BytesIO()
    picture.save(small, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(small.getvalue()).decode()
