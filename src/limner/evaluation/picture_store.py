"""Pictures of people who do not exist, kept so that a second start of an evaluation need not draw them again."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from limner.core.images import read_image, write_png
from limner.evaluation.protocol import Person


class PictureStore:
    """A folder per method and way of drawing; PNG, so that pictures come back exactly."""

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        """``keys``: by method, what changes whenever its pictures would: hash of its weights, settings of drawing."""
        self.folder, self.keys = folder, keys

    def __call__(
        self, method: str, person: Person, seeds: range, draw: Callable[[], list[np.ndarray]]
    ) -> list[np.ndarray]:
        """The pictures of these seeds; drawn and kept if one of them is missing."""
        folder = self.folder / f"{method}-{self.keys[method]}"
        paths = [folder / f"{person.name}-{seed}.png" for seed in seeds]
        if all(path.is_file() for path in paths):
            return [read_image(path) for path in paths]
        pictures = draw()
        folder.mkdir(parents=True, exist_ok=True)
        for path, picture in zip(paths, pictures, strict=True):
            write_png(path, picture)
        return pictures
