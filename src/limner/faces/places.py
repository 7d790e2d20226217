"""Where in a picture somebody else's face may go: the square to work on, and the pixels that may change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np

from limner.core.errors import ConfigError, FaceError, FaceIndexError
from limner.faces.alignment import TEMPLATES, lay_over, template_matrix, warp, warp_smooth
from limner.faces.blending import feathered, match_seam
from limner.faces.detection import select_face
from limner.faces.face import Face
from limner.faces.parsing import region_mask

FRAME = "ffhq-512"
Part = Literal["face", "head"]
MARGINS: dict[Part, float] = {"face": 1.0, "head": 1.25}
"""Side of the square in sides of the frame `ffhq-512`: more for the head, whose hair may reach out of that frame."""

_GROW = 0.15  # by how much a parsed region is widened, as a share of the distance from eyes to mouth
_FEATHER = 0.3  # width of the transition, likewise


class Parser(Protocol):
    """What is needed of :class:`~limner.faces.analysis.FaceAnalyzer`."""

    def parse(self, image: np.ndarray, face: Face) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Place:
    """One face of a picture that is to become somebody else's.

    Attributes:
        face: the face that is there now.
        region: bool (height, width) of the picture, what may change.
        matrix: float64 (2, 3), from the picture to the square.
        square: RGB uint8 (side, side, 3), cut upright around the face.
        square_region: bool (side, side), the region in the square.
    """

    face: Face
    region: np.ndarray
    matrix: np.ndarray
    square: np.ndarray
    square_region: np.ndarray

    def put(self, picture: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """The picture with the drawn square's face in it; every pixel outside the region stays bit for bit."""
        side = self.square.shape[0]
        covered = cv2.warpAffine(
            np.ones((side, side), np.uint8),
            self.matrix,
            picture.shape[1::-1],
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        )
        opacity = feathered(self.region & (covered > 0), _FEATHER * self.face.eye_mouth_distance)
        matched = match_seam(drawn, self.square, self.square_region)
        return lay_over(picture, matched, self.matrix, opacity)


def choose_faces(faces: Sequence[Face], num_people: int, chosen: Sequence[int] | None) -> list[Face]:
    """Whose place each person takes.

    Args:
        faces: of the picture, left to right.
        chosen: number of a face for each person, 0 the leftmost; the largest faces from left to right if None.

    Raises:
        FaceError: there are more people than faces, or none.
        FaceIndexError: no face has this number, or two people are to take the same.
    """
    if not num_people:
        raise FaceError("no person was given; give one for each face that is to change")
    if num_people > len(faces):
        have = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        raise FaceError(f"{num_people} people were given and the template has {have}; give one person for each face")
    if chosen is None:
        largest = sorted(faces, key=lambda face: -face.area)[:num_people]
        return sorted(largest, key=lambda face: face.center)
    if len(chosen) != num_people or len(set(chosen)) < num_people:
        raise FaceIndexError(
            f"{num_people} people were given and the faces {list(chosen)} of the template; give each person one face "
            "of their own"
        )
    return [select_face(faces, index) for index in chosen]


def find_places(
    picture: np.ndarray,
    faces: Sequence[Face],
    targets: Sequence[Face],
    parser: Parser,
    *,
    side: int,
    part: Part = "face",
    mask: np.ndarray | None = None,
) -> list[Place]:
    """The places of some of a picture's faces; their regions do not overlap, nor reach into other faces.

    Args:
        picture: RGB uint8 (height, width, 3).
        faces: all faces of the picture.
        targets: those that are to change.
        side: of the squares, in pixels.
        part: what changes, "face" or "head" (with ears, hair and hat).
        mask: bool (height, width), what may change instead of the parsed part; shared out among the targets.

    Raises:
        ConfigError: the mask has another size than the picture.
        FaceError: nothing of a target may change.
    """
    if mask is not None and mask.shape != picture.shape[:2]:
        raise ConfigError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels and the template {picture.shape[1]} x "
            f"{picture.shape[0]}; give a mask of the template's size"
        )
    rivals = targets if mask is not None else faces
    owners = _nearest(picture.shape[:2], rivals)
    places = []
    for face in targets:
        own = owners == next(number for number, rival in enumerate(rivals) if rival is face)
        region = own & (_parsed(picture, face, parser, part) if mask is None else mask)
        if not region.any():
            raise FaceError(
                f"nothing of the face at {face.center[0]:.0f}, {face.center[1]:.0f} may change: "
                + ("no face could be parsed there; give a mask" if mask is None else "the mask does not touch it")
            )
        places.append(_place(picture, face, region, side, MARGINS[part]))
    return places


def _parsed(picture: np.ndarray, face: Face, parser: Parser, part: Part) -> np.ndarray:
    """The part, somewhat widened, without what hangs together with no pixel of the face's box."""
    mask = region_mask(parser.parse(picture, face), part)
    radius = max(round(_GROW * face.eye_mouth_distance), 1)
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
    _, pieces = cv2.connectedComponents(mask)
    x, y, width, height = (round(value) for value in face.box)
    within = pieces[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    counts = np.bincount(within[within > 0])
    return pieces == counts.argmax() if counts.size else np.zeros_like(pieces, bool)


def _nearest(size: tuple[int, int], faces: Sequence[Face]) -> np.ndarray:
    """int (height, width): the number of the face whose middle is nearest, measured in that face's own size."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    owner, nearest = np.zeros(size, np.uint16), np.full(size, np.inf, np.float32)
    for number, face in enumerate(faces):
        away = np.hypot(columns - np.float32(face.center[0]), rows - np.float32(face.center[1])) / face.area**0.5
        closer = away < nearest
        owner[closer], nearest[closer] = number, away[closer]
    return owner


def _place(picture: np.ndarray, face: Face, region: np.ndarray, side: int, margin: float) -> Place:
    frame = TEMPLATES[FRAME].side
    matrix = template_matrix(face.landmarks, FRAME)
    matrix[:, 2] += (margin - 1) / 2 * frame
    scale = side / (margin * frame)
    matrix *= scale
    matrix[:, 2] += (scale - 1) / 2  # the centre of the first pixel is at 0, in the square as in the frame
    square_region = warp(region.astype(np.uint8), matrix, side) > 0
    return Place(face, region, matrix, warp_smooth(picture, matrix, side), square_region)
