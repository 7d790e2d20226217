"""A table of numbers by step that survives a kill: rows after the last saved step are forgotten and written again."""

import csv
from collections.abc import Mapping
from pathlib import Path

from limner.core.files import replacing


class Log:
    """One CSV file whose first column is ``step``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def forget_after(self, step: int) -> None:
        """Drop rows that are about to be written again, and a row that a kill cut off."""
        if not self.path.exists():
            return
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or ())
            rows = [row for row in reader if None not in row.values() and int(row["step"]) <= step]
        if not rows:  # nor, perhaps, a whole header
            self.path.unlink()
            return
        with replacing(self.path) as unfinished, unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=names)
            writer.writeheader()
            writer.writerows(rows)

    def append(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add a row; the first one names the columns."""
        row = {"step": step} | {name: round(number, 6) for name, number in numbers.items()}
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a log; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
