"""What can be measured on a face picture: numbers from landmarks, mesh, parsing and colour, and words for them.

Age and gender come from a classifier of ``assets.md`` and are handed in; everything else is geometry and colour, so
that the same functions label the training pictures and score the generated ones.
"""

from dataclasses import dataclass

import numpy as np

from limner.faces.parsing import ParsingLabel, glasses_share, region_mask
from limner.faces.pose import head_pose

_SKIN = (ParsingLabel.SKIN, ParsingLabel.NOSE)
_MOUTH_CORNERS, _INNER_LIPS, _OUTER_LIPS = (61, 291), (13, 14), (0, 17)
_EYE_OUTER, _CHIN, _NOSE_TIP = (33, 263), 152, 1
"""Vertex numbers of the 468-point face mesh."""


@dataclass(frozen=True)
class Measurements:
    """One picture's numbers.

    ``yaw`` and ``pitch`` in degrees (positive: towards image right, upwards); ``smile`` and ``mouth_open`` as
    fractions of the distance between the outer eye corners; areas as fractions of the face's; colours RGB in [0, 255].
    """

    yaw: float
    pitch: float
    smile: float
    mouth_open: float
    glasses: float
    hat: float
    hair: float
    hair_below_chin: float
    hair_colour: tuple[float, float, float]
    skin_colour: tuple[float, float, float]
    background_colour: tuple[float, float, float]
    background_spread: float
    light_from_left: float

    @property
    def skin_tone_angle(self) -> float:
        """Individual typology angle of the skin in degrees; above 41 light, 10 to 41 medium, below 10 dark."""
        lightness, _, yellow = _lab(np.asarray(self.skin_colour))
        return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def measure(image: np.ndarray, mesh: np.ndarray, labels: np.ndarray) -> Measurements:
    """Measure one picture.

    Args:
        image: ``(height, width, 3)`` RGB uint8.
        mesh: ``(468, 3)`` face mesh in pixels of ``image``.
        labels: ``(height, width)`` of :class:`ParsingLabel`.
    """
    eye_distance = float(np.linalg.norm(mesh[_EYE_OUTER[1], :2] - mesh[_EYE_OUTER[0], :2])) or 1.0
    corners, middle = mesh[list(_MOUTH_CORNERS), :2], mesh[list(_OUTER_LIPS), :2].mean(axis=0)
    width = float(np.linalg.norm(corners[1] - corners[0])) / eye_distance
    lift = float(middle[1] - corners[:, 1].mean()) / eye_distance
    skin, hair = np.isin(labels, _SKIN), labels == ParsingLabel.HAIR
    background = labels == ParsingLabel.BACKGROUND
    face_area = max(int(region_mask(labels, "face").sum()), 1)
    rows = np.arange(labels.shape[0])[:, None]
    columns = np.arange(labels.shape[1])[None, :]
    left, right = skin & (columns < mesh[_NOSE_TIP, 0]), skin & (columns >= mesh[_NOSE_TIP, 0])
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    pose = head_pose(mesh)
    return Measurements(
        yaw=pose.yaw,
        pitch=pose.pitch,
        smile=width - 0.45 + lift,
        mouth_open=float(np.linalg.norm(mesh[_INNER_LIPS[0], :2] - mesh[_INNER_LIPS[1], :2])) / eye_distance,
        glasses=glasses_share(labels),
        hat=float((labels == ParsingLabel.HAT).sum()) / face_area,
        hair=float(hair.sum()) / face_area,
        hair_below_chin=float((hair & (rows > mesh[_CHIN, 1])).sum()) / face_area,
        hair_colour=_mean_colour(image, hair),
        skin_colour=_mean_colour(image, skin),
        background_colour=_mean_colour(image, background),
        background_spread=float(image[background].std()) if background.any() else 0.0,
        light_from_left=_mean(grey, left) / max(_mean(grey, right), 1.0),
    )


def _mean(values: np.ndarray, mask: np.ndarray) -> float:
    return float(values[mask].mean()) if mask.any() else 0.0


def _mean_colour(image: np.ndarray, mask: np.ndarray) -> tuple[float, float, float]:
    if not mask.any():
        return (0.0, 0.0, 0.0)
    red, green, blue = (round(float(v), 1) for v in image[mask].mean(axis=0))
    return (red, green, blue)


def _lab(rgb: np.ndarray) -> np.ndarray:
    """One sRGB colour in [0, 255] -> CIE L*, a*, b* (D65)."""
    linear = np.where(rgb <= 10.31475, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
