"""A report's metrics as tables for the terminal: one row per method."""

from collections.abc import Mapping, Sequence
from typing import Any

from limner.apps.tables import print_table
from limner.evaluation.page import told

SHORT = (
    "to_other",
    "copy_paste",
    "share",
    "relative_change_outside",
    "agreement_geometric",
    "pixel_diversity",
    "found",
)
"""Metrics that fit a terminal; the page has all."""


def print_report(report: Mapping[str, Any]) -> None:
    """Every group: the methods, then the differences from the reference method."""
    titles = [report["metrics"][key]["title"] for key in SHORT]
    for name, group in report["groups"].items():
        rows = [(method, *_told(one["metrics"], signed=False)) for method, one in group["methods"].items()]
        print_table(f"{name} people: {group['people']}, 95 % intervals over people", ["method", *titles], rows)
        rows = [
            (method, *_told(one["difference"], signed=True))
            for method, one in group["methods"].items()
            if one["difference"]
        ]
        if rows:
            print_table(f"minus {group['reference']}, the same people", ["method", *titles], rows)


def _told(measured: Mapping[str, Any], *, signed: bool) -> Sequence[str]:
    return [told(measured[key], signed=signed) for key in SHORT]
