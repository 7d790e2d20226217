"""Photos that say themselves what the networks would find in them, and a measurer that reads it.

The code lies in the colour of the top left corner and travels on in the face's score, which framing keeps. So any
process finds the same, and in an instant.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np

from limner.core.images import write_png
from limner.data.age_gender import AgeGender
from limner.data.measuring import MeasuredFace
from limner.data.pools import WorkbenchMaker
from limner.data.preparing.settings import AnalysisSettings, PrepareSettings, SelectionSettings
from limner.data.preparing.workbench import PhotoWorkbench
from limner.faces.face import Face
from limner.identity.recognition import GUIDE_SPACE
from tests.data.examples import NUMBERS, labels_of

SIDE, DIM = 128, 32
KINDS = ("face", "no face", "two faces", "child", "blurred", "ageless", "tiny")
LANDMARKS = np.array([[50, 52], [78, 52], [64, 66], [53, 82], [75, 82]], np.float32)


def draw_photo(person: int, shot: int, kind: str = "face") -> np.ndarray:
    """Smooth noise, another one for each person and shot, with the code in the corner."""
    coarse = np.random.default_rng((person, shot)).integers(0, 256, (16, 16, 3))
    image = coarse.repeat(SIDE // 16, axis=0).repeat(SIDE // 16, axis=1).astype(np.uint8)
    image[:8, :8] = (person, shot, KINDS.index(kind))
    return image


def lay_out(root: Path, people: int = 3, shots: int = 3) -> Path:
    """A folder per person, and one photo of every kind that is dropped at once."""
    for person in range(people):
        for shot in range(shots):
            write_png(root / f"p{person}" / f"{shot}.png", draw_photo(person, shot))
    for number, kind in enumerate(KINDS[1:]):
        write_png(root / "p0" / f"bad{number}.png", draw_photo(0, 100 + number, kind))
    return root


class StubMeasurer:
    """Fields as the networks would give them; waits ``seconds`` before each answer."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def detect(self, image: np.ndarray) -> list[Face]:
        person, shot, kind = (int(v) for v in image[2, 2])
        size = 10.0 if KINDS[kind] == "tiny" else 64.0
        landmarks = 64 + (LANDMARKS - 64) * size / 64
        corner = (SIDE - size) / 2
        face = Face((corner, corner, size, size), landmarks, float(person * 65536 + shot * 256 + kind))
        return [face] * {"no face": 0, "two faces": 2}.get(KINDS[kind], 1)

    def measure_face(self, image: np.ndarray, face: Face) -> MeasuredFace | None:
        time.sleep(self._seconds)
        code = int(face.score)
        person, shot, kind = code >> 16, code >> 8 & 255, KINDS[code & 255]
        if kind == "ageless":
            return None
        return MeasuredFace(
            landmarks=face.landmarks,
            labels=labels_of(32),
            numbers=NUMBERS,
            age_gender=AgeGender(12.0 if kind == "child" else 40.0 + shot % 10, 0.9 if person % 2 else 0.1),
            embeddings={GUIDE_SPACE: embedding(person, shot)},
            quality=0.1 if kind == "blurred" else 0.6,
            face_box=face.box,
        )


def embedding(person: int, shot: int = 0) -> np.ndarray:
    """People are at right angles, photos of one person about 0.9 alike."""
    vector = np.zeros(DIM)
    vector[person % DIM] = 1.0
    vector += np.random.default_rng((person, shot)).normal(0, 0.05, DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def make_stub(settings: AnalysisSettings, seconds: float = 0.0) -> StubMeasurer:
    del settings
    return StubMeasurer(seconds)


def small_settings(*, records_per_shard: int = 4, **selection: object) -> PrepareSettings:
    return PrepareSettings(
        analysis=AnalysisSettings(source="test", pixels=64),
        selection=SelectionSettings.model_validate(selection),
        licence="CC0-1.0",
        records_per_shard=records_per_shard,
    )


def maker(root: Path, settings: PrepareSettings, seconds: float = 0.0) -> WorkbenchMaker:
    return partial(PhotoWorkbench, root, settings, partial(make_stub, seconds=seconds))


def files_of(shards: Path) -> dict[str, bytes]:
    """Everything that must be the same however the work went: all but the journal's folder and the indexes, which
    hold times."""
    return {
        path.name: path.read_bytes()
        for path in sorted(shards.iterdir())
        if path.is_file() and not path.name.endswith(".index.json")
    }
