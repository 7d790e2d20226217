"""The report as one self-contained HTML page: tables with intervals, and pictures of people who do not exist."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from limner.evaluation.comparison import Shown
from limner.evaluation.report import BINNED

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .6rem 0 1.6rem } caption { text-align: left; font-weight: 600 }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top }
th:first-child, td:first-child { text-align: left } small { color: #666; white-space: nowrap }
.sure { font-weight: 700 } .scroll { overflow-x: auto } img { width: 96px; height: 96px; object-fit: cover }
"""
PICTURE_SIDE = 128


def page(report: Mapping[str, Any], shown: Mapping[str, Sequence[Shown]], *, title: str) -> str:
    """The page of a report as :func:`limner.evaluation.report.as_json` gives it.

    Args:
        shown: by group; only people who do not exist.
    """
    parts = [f"<h1>{escape(title)}</h1>", _how(report)]
    for name, group in report["groups"].items():
        parts.append(f"<h2>{escape(name.capitalize())} people: {group['people']}</h2>")
        parts.append(f"<p>{group['pictures_each']} pictures of each by each method.</p>")
        parts += [_metrics(report, group), _differences(report, group), _traits(group), _distances(group), _bins(group)]
        parts += [_people(report, one) for one in shown.get(name, ())]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def told(measured: Mapping[str, Any], *, signed: bool = False) -> str:
    """A value with its interval in plain text, a dash where there is none."""
    if measured["value"] is None:
        return "-"
    form = "+.3f" if signed else ".3f"
    if measured["low"] is None:
        return format(measured["value"], form)
    return f"{measured['value']:{form}} [{measured['low']:{form}}, {measured['high']:{form}}]"


def _how(report: Mapping[str, Any]) -> str:
    rows = [(name, role) for name, role in report["roles"].items()]
    notes = "".join(f"<li>{escape(note)}</li>" for note in report["notes"])
    metrics = "".join(
        f"<li><b>{escape(one['title'])}</b>{' (' + one['better'] + ' is better)' if one['better'] else ''}: "
        f"{escape(one['note'])}</li>"
        for one in report["metrics"].values()
    )
    return (
        "<p>In brackets: the middle 95 % of what other people of the same kind would give; people are drawn with "
        "replacement, never pictures.</p>"
        + _table("Who measured, and who took part in training", ["recogniser or network", "role"], rows)
        + f"<ul>{notes}</ul><details><summary>How to read the columns</summary><ul>{metrics}</ul></details>"
    )


def _metrics(report: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    return _by_metric(report, group, "metrics", "Metrics", signed=False)


def _differences(report: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    caption = f"Difference from {group['reference']}, same people (bold: the interval does not hold 0)"
    return _by_metric(report, group, "difference", caption, signed=True)


def _by_metric(report: Mapping[str, Any], group: Mapping[str, Any], which: str, caption: str, *, signed: bool) -> str:
    methods = {name: one[which] for name, one in group["methods"].items() if one[which]}
    if not methods:
        return ""
    rows = []
    for key, metric in report["metrics"].items():
        cells = [_cell(measured[key], signed=signed) for measured in methods.values()]
        if any(cell != "-" for cell in cells):
            rows.append((escape(metric["title"]), *cells))
    return _table(caption, ["", *methods], rows, escaped=True)


def _cell(measured: Mapping[str, Any], *, signed: bool) -> str:
    value, _, rest = told(measured, signed=signed).partition(" ")
    if not rest:
        return value
    sure = signed and (measured["low"] > 0 or measured["high"] < 0)
    return f"<span class=sure>{value}</span> <small>{rest}</small>" if sure else f"{value} <small>{rest}</small>"


def _traits(group: Mapping[str, Any]) -> str:
    rows = []
    for name, method in group["methods"].items():
        for kind, traits in method["traits"].items():
            rows += [(name, kind, trait, f"{share:.2f}") for trait, share in traits.items()]
    return _table("Traits as asked, by instrument", ["method", "instrument", "trait", "share"], rows) if rows else ""


def _distances(group: Mapping[str, Any]) -> str:
    rows = [
        (name, whose, told(found["frechet"]), f"{found['kernel']:.4f}", found["pictures"], found["photos"])
        for name, one in group["methods"].items()
        for key, whose in (("distance", "the people's own"), ("unseen", "other people's, whom no training saw"))
        if (found := one[key])
    ]
    columns = ["method", "photos", "Frechet", "kernel", "pictures", "number of photos"]
    return _table("Distance to photos (not FID: another network)", columns, rows) if rows else ""


def _bins(group: Mapping[str, Any]) -> str:
    tables = []
    for name, method in group["methods"].items():
        rows = [
            (binning, label, entry["people"], *(told(entry[key]) for key in BINNED))
            for binning, labels in method["bins"].items()
            for label, entry in labels.items()
        ]
        columns = ["of the reference", "", "people", *BINNED]
        tables.append(
            f"<details><summary>{escape(name)} by kind of people</summary>{_table('', columns, rows)}</details>"
        )
    return "".join(tables)


def _people(report: Mapping[str, Any], person: Shown) -> str:
    wishes = [", ".join(f"{key} {value}" for key, value in wish.items()) for wish in report["protocol"]["wishes"]]
    rows = [
        (escape(method), *(_picture(one, f"{method}: {wish}") for one, wish in zip(pictures, wishes, strict=True)))
        for method, pictures in person.by_method.items()
    ]
    caption = f"{escape(person.name)} {_picture(person.reference, 'reference')}"
    return _table(caption, ["", *wishes], rows, escaped=True)


def _picture(image: np.ndarray, what: str) -> str:
    small = Image.fromarray(image)
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return f'<img alt="{escape(what)}" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, escaped: bool = False) -> str:
    def cells(values: Sequence[object]) -> str:
        return "".join(f"<td>{value if escaped else escape(str(value))}</td>" for value in values)

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{cells(row)}</tr>" for row in rows)
    top = f"<caption>{caption if escaped else escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{top}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
