"""What a face is: where it stands in a photo and how it looks when moved onto a template.

Pixel convention, everywhere in this folder: x to the right, y down, the centre of the top left pixel at (0, 0).
"Left" and "right" mean the image's sides, never the person's.
"""

from dataclasses import dataclass

import numpy as np

_EYES_TO_HEIGHT = 0.86  # eye distance over eye-mouth distance of the template arcface-112


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    Attributes:
        box: x, y, width, height in pixels of the photo; may reach beyond its edges.
        landmarks: float32 (5, 2), x and y in pixels of the photo: eye, eye, nose tip, mouth corner, mouth corner,
            each pair with the one on the image's left first (for an upright face).
        score: the detector's confidence, 0 to 1.
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    score: float

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return self.box[2] * self.box[3]

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, x and y in pixels."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes as seen; shrinks to almost nothing in a profile."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))

    @property
    def eye_mouth_distance(self) -> float:
        """Pixels from the middle of the eyes to the middle of the mouth; a size that a profile keeps."""
        return float(np.linalg.norm(self.landmarks[3:5].mean(axis=0) - self.landmarks[0:2].mean(axis=0)))

    @property
    def frontal_eye_distance(self) -> float:
        """The face's size in pixels: between the eyes, or what a frontal face of the same height would have there."""
        return max(self.eye_distance, _EYES_TO_HEIGHT * self.eye_mouth_distance)


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """A face moved, turned and scaled so that its landmarks lie on a template.

    Attributes:
        image: RGB uint8 (side, side, 3); black where the photo has no pixels.
        matrix: float64 (2, 3), the similarity that takes photo pixels to template pixels.
        template: name of the template, a key of `limner.faces.alignment.TEMPLATES`.
    """

    image: np.ndarray
    matrix: np.ndarray
    template: str
