"""The data card as Markdown, for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def to_markdown(card: Mapping[str, Any]) -> str:
    """The whole page."""
    sections = [
        f"# Data card\n\n{card['pictures']} pictures of {card['people']} people; {card['captions']} with a caption. "
        "Made by `limner data`; the same as JSON in `card.json`.",
        _section("Splits, by person", ("split", "people", "pictures"), _splits(card)),
        _section("Sources", ("source", "pictures"), card["sources"].items()),
        _section("Pictures per person", ("pictures", "people"), card["pictures per person"].items()),
        _section("Who is in it", ("division", "group", "pictures"), _bins(card)),
        "Groups come from measuring networks and colour, which err; they describe the set, not a single person.",
        _section("Terms of the photos", ("licence", "terms", "pictures", "commercial use"), _licences(card)),
        _section("Networks that measured", ("network", "terms", "commercial use"), _networks(card)),
        "This is what was found, not legal advice; see `limner licences`.",
        _section("Left out", ("reason", "photos"), card["dropped"].items()),
        _section("Removed on request", ("day", "pictures"), ((r["day"], r["pictures"]) for r in card["removals"])),
        _section("Settings", ("setting", "value"), _flat(card["settings"])),
        _section(
            "Files", ("shard", "bytes", "sha256"), ((n, s["bytes"], s["sha256"]) for n, s in card["shards"].items())
        ),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A heading and a table; nothing where there are no rows."""
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"## {title}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *lines])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _splits(card: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    return ((name, split["people"], split["pictures"]) for name, split in card["splits"].items())


def _bins(card: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    return ((division, group, count) for division, groups in card["bins"].items() for group, count in groups.items())


def _licences(card: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    return ((name, one["terms"], one["pictures"], _allowed(one)) for name, one in card["licences"].items())


def _networks(card: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    return ((name, one["terms"], _allowed(one)) for name, one in card["networks"].items())


def _allowed(terms: Mapping[str, Any]) -> str:
    return "yes" if terms["commercial"] else f"no ({', '.join(terms['refused by'])})"


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterable[Sequence[object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
