"""Showing what was seen: a photo with its faces drawn in, and the same as rows of a table."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from limner.faces.analysis import FaceAnalysis
from limner.faces.face import Face
from limner.faces.parsing import ParsingLabel
from limner.faces.quality import MIN_EYE_DISTANCE, MIN_QUALITY

LABEL_COLORS: dict[ParsingLabel, tuple[int, int, int]] = {
    ParsingLabel.SKIN: (255, 200, 160),
    ParsingLabel.BROWS: (110, 60, 20),
    ParsingLabel.EYES: (40, 160, 255),
    ParsingLabel.GLASSES: (120, 40, 200),
    ParsingLabel.EARS: (255, 150, 60),
    ParsingLabel.EARRINGS: (255, 230, 0),
    ParsingLabel.NOSE: (255, 120, 120),
    ParsingLabel.MOUTH: (140, 0, 40),
    ParsingLabel.UPPER_LIP: (230, 30, 90),
    ParsingLabel.LOWER_LIP: (255, 70, 160),
    ParsingLabel.NECK: (190, 230, 120),
    ParsingLabel.NECKLACE: (255, 190, 0),
    ParsingLabel.CLOTH: (60, 110, 220),
    ParsingLabel.HAIR: (30, 170, 90),
    ParsingLabel.HAT: (0, 200, 200),
}

FACE_COLUMNS = ("face", "box", "eyes", "quality", "yaw", "pitch", "roll", "score", "usable")

_OVERLAY = 0.4
_MESH_MIN_HEIGHT = 100  # in a smaller face 468 points would hide everything else
_BOX, _MESH, _LANDMARK = (255, 255, 0), (255, 255, 255), (255, 0, 0)


def draw_faces(
    image: np.ndarray, analyses: Sequence[FaceAnalysis], *, numbers: Sequence[int] | None = None
) -> np.ndarray:
    """The photo with parsing colours, mesh, five landmarks, numbered boxes and a legend on the right.

    Args:
        image: RGB uint8 (height, width, 3).
        analyses: faces of this photo.
        numbers: the number written at each box; 0, 1, 2 ... if not given.

    Returns:
        RGB uint8 (at least height, width + legend, 3).
    """
    numbers = range(len(analyses)) if numbers is None else numbers
    labels = _joined_maps(image.shape[:2], analyses)
    canvas = Image.fromarray(_tinted(image, labels))
    pen = ImageDraw.Draw(canvas)
    for number, analysis in zip(numbers, analyses, strict=True):
        _draw_face(pen, number, analysis)
    return _with_legend(np.asarray(canvas), labels)


def mark_faces(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """The photo with a numbered box around each face, 0 the first, and nothing else; RGB uint8 of the same size."""
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    for number, face in enumerate(faces):
        _draw_box(pen, number, face)
    return np.asarray(canvas)


def face_rows(analyses: Sequence[FaceAnalysis], *, numbers: Sequence[int] | None = None) -> list[tuple[str, ...]]:
    """One row a face with the cells of `FACE_COLUMNS`; lengths in pixels, angles in degrees."""
    numbers = range(len(analyses)) if numbers is None else numbers
    rows = []
    for number, analysis in zip(numbers, analyses, strict=True):
        face, pose = analysis.face, analysis.pose
        box = "{:.0f},{:.0f} {:.0f}x{:.0f}".format(*face.box)
        angles = (f"{angle:+.0f}" for angle in pose)
        rows.append(
            (
                str(number),
                box,
                f"{face.eye_distance:.0f}",
                f"{analysis.quality:.2f}",
                *angles,
                f"{face.score:.2f}",
                _use(analysis),
            )
        )
    return rows


def _use(analysis: FaceAnalysis) -> str:
    if analysis.face.frontal_eye_distance < MIN_EYE_DISTANCE:
        return "too small"
    return "too blurred" if analysis.quality < MIN_QUALITY else "yes"


def _joined_maps(size: tuple[int, int], analyses: Sequence[FaceAnalysis]) -> np.ndarray:
    """One map of all faces; where crops overlap, the face whose crop is parsed finer, the smaller one, decides."""
    joined = np.zeros(size, np.uint8)
    for analysis in sorted(analyses, key=lambda analysis: -analysis.face.area):
        known = analysis.parsing_map != ParsingLabel.BACKGROUND
        joined[known] = analysis.parsing_map[known]
    return joined


def _tinted(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    palette = np.zeros((max(ParsingLabel) + 1, 3), np.float32)
    for label, color in LABEL_COLORS.items():
        palette[label] = color
    opacity = _OVERLAY * (labels != ParsingLabel.BACKGROUND)[..., None]
    return np.rint(image * (1 - opacity) + palette[labels] * opacity).astype(np.uint8)


def _draw_face(pen: ImageDraw.ImageDraw, number: int, analysis: FaceAnalysis) -> None:
    height = analysis.face.box[3]
    for point in analysis.mesh[:, :2] if height >= _MESH_MIN_HEIGHT else ():
        _dot(pen, point, height / 300, _MESH)
    for point in analysis.face.landmarks:
        _dot(pen, point, height / 60, _LANDMARK)
    _draw_box(pen, number, analysis.face)


def _draw_box(pen: ImageDraw.ImageDraw, number: int, face: Face) -> None:
    x, y, width, height = face.box
    line = max(round(height / 150), 1)
    pen.rectangle((x, y, x + width, y + height), outline=_BOX, width=line)
    font = ImageFont.load_default(float(np.clip(height / 8, 11, 40)))
    caption = pen.textbbox((x, y), str(number), font=font, anchor="lb")
    # Above the box, or inside where the photo ends.
    place = (x, y) if caption[1] >= 0 else (x, y + caption[3] - caption[1])
    pen.rectangle(pen.textbbox(place, str(number), font=font, anchor="lb"), fill=_BOX)
    pen.text(place, str(number), fill=(0, 0, 0), font=font, anchor="lb")


def _dot(pen: ImageDraw.ImageDraw, point: np.ndarray, radius: float, color: tuple[int, int, int]) -> None:
    x, y = float(point[0]), float(point[1])
    if radius < 0.75:
        pen.point((round(x), round(y)), fill=color)
    else:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _with_legend(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A strip on the right with the colours that occur."""
    present = [label for label in LABEL_COLORS if (labels == label).any()]
    row, size = 22, 14
    strip = Image.new("RGB", (120, max(image.shape[0], row * (len(present) + 1))), (24, 24, 24))
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(float(size))
    for index, label in enumerate(present):
        top = row * index + row // 2
        pen.rectangle((8, top, 8 + size, top + size), fill=LABEL_COLORS[label])
        pen.text((30, top - 2), label.name.lower().replace("_", " "), fill=(255, 255, 255), font=font)
    canvas = np.full((strip.height, image.shape[1] + strip.width, 3), 24, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    canvas[:, image.shape[1] :] = np.asarray(strip)
    return canvas
