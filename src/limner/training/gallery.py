"""What looks at a run leave behind: ``samples/<step>-<number>.png`` and ``ratios.csv``, FAIR ratio by layer."""

from pathlib import Path

from limner.core.images import write_png
from limner.systems.contract import Inspection
from limner.training.log import Log

SAMPLES, RATIOS = "samples", "ratios.csv"


class Gallery:
    """The looks at one run, in its folder."""

    def __init__(self, folder: Path) -> None:
        self._samples = folder / SAMPLES
        self._ratios = Log(folder / RATIOS)

    def add(self, step: int, inspection: Inspection) -> None:
        """Keep one look."""
        for number, picture in enumerate(inspection.pictures):
            write_png(self._samples / f"{step:09d}-{number}.png", picture)
        if inspection.ratios:
            self._ratios.append(step, inspection.ratios)

    def forget_after(self, step: int) -> None:
        """Drop looks that are about to be taken again."""
        self._ratios.forget_after(step)
        for later in self._samples.glob("*.png"):
            if int(later.name.partition("-")[0]) > step:
                later.unlink()


def sample_rows(folder: Path) -> list[tuple[int, list[Path]]]:
    """The kept pictures: step and files, the first step first."""
    rows: dict[int, list[Path]] = {}
    for path in sorted((folder / SAMPLES).glob("*.png")):
        rows.setdefault(int(path.name.partition("-")[0]), []).append(path)
    return list(rows.items())
