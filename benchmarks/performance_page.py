"""Where benchmarks write their tables: a section of a page between two marks, with machine, date and command."""

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from limner.core.files import replacing


def circumstances(device: str) -> dict[str, Any]:
    """What numbers depend on besides the code."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"{platform.processor() or platform.machine()} CPU"
    return {
        "machine": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        # How many processes wanted a processor while this was measured.
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def as_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(page: Path, name: str, record: dict[str, Any], text: str, command: Sequence[str]) -> None:
    """Replace what stands between the marks of a section.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    old = page.read_text(encoding="utf-8")
    if begin not in old or end not in old:
        raise ValueError(f"{page} has no lines {begin} and {end}")
    head, rest = old.split(begin, 1)
    tail = rest.split(end, 1)[1]
    where = ", ".join(f"{key} {record[key]}" for key in ("machine", "cores", "threads", "load", "torch"))
    told = f"`python {' '.join(command)}`, {record['date']}; {where}."
    with replacing(page) as path:
        path.write_text(f"{head}{begin}\n{told}\n\n{text}\n{end}{tail}", encoding="utf-8")
