"""Named templates, the similarity that puts a face on one, and the way back into the photo.

The `arcface-112` points are those recognisers of the ArcFace family expect, `ffhq-512` those of FFHQ-framed pictures.
The fit is the closed least-squares solution of Umeyama, "Least-squares estimation of transformation parameters
between two point patterns", IEEE PAMI 13(4), 1991.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from limner.core.errors import ConfigError, FaceError
from limner.faces.face import AlignedFace


@dataclass(frozen=True)
class Template:
    """Where five landmarks (eyes, nose tip, mouth corners) lie in a square picture of `side` pixels."""

    side: int
    points: tuple[tuple[float, float], ...]


TEMPLATES = {
    "arcface-112": Template(
        112, ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
    ),
    "ffhq-512": Template(
        512,
        (
            (192.98138, 239.94708),
            (318.90277, 240.1936),
            (256.63416, 314.01935),
            (201.26117, 371.41043),
            (313.08905, 371.15118),
        ),
    ),
}


def template_named(name: str) -> Template:
    """The template of that name.

    Raises:
        ConfigError: no such template.
    """
    if name not in TEMPLATES:
        raise ConfigError(f"The template {name!r} is unknown; choose one of {', '.join(sorted(TEMPLATES))}.")
    return TEMPLATES[name]


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation, one scale and shift that bring `source` nearest to `target` in the least-squares sense.

    Args:
        source: (points, 2) x and y.
        target: (points, 2) x and y.

    Returns:
        float64 (2, 3); never a reflection.

    Raises:
        FaceError: all source points coincide, so that no scale exists.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_centered, target_centered = source - source_mean, target - target_mean
    variance = float((source_centered**2).sum()) / len(source)
    if not np.isfinite(variance) or variance < 1e-12:
        raise FaceError(
            f"The landmarks {source.round(2).tolist()} do not span a face: distinct finite points are needed. "
            "Use the landmarks of a detected face."
        )
    left, stretch, right = np.linalg.svd(target_centered.T @ source_centered / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    linear = float(stretch @ signs) / variance * (left * signs) @ right
    return np.column_stack([linear, target_mean - linear @ source_mean])


def invert_similarity(matrix: np.ndarray) -> np.ndarray:
    """The (2, 3) map that undoes a (2, 3) map."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (count, 2) taken through a (2, 3) map."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def warp(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """A square of `side` pixels cut from uint8 `image` through `matrix` (photo to square); bilinear, border 0."""
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))


def warp_smooth(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """As `warp`, for networks that want a clean small picture: strong shrinking averages, the photo's edge is repeated.

    `warp` itself stays plain bilinear, because recognisers were trained on crops made that way.
    """
    scale = 2 * float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1:
        height, width = image.shape[:2]
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grow = np.array([width / size[0], height / size[1]])
        # Pixel centres: position p of the small picture shows position (p + 0.5) * grow - 0.5 of the photo.
        shift = matrix[:, :2] @ (0.5 * grow - 0.5) + matrix[:, 2]
        matrix = np.column_stack([matrix[:, :2] * grow, shift])
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def template_matrix(landmarks: np.ndarray, template: str) -> np.ndarray:
    """The similarity (2, 3) from photo pixels to a template's pixels; see `align` for arguments and errors."""
    return fit_similarity(landmarks, np.array(template_named(template).points))


def align(image: np.ndarray, landmarks: np.ndarray, template: str = "arcface-112") -> AlignedFace:
    """Move the face with these landmarks onto a template.

    Args:
        image: RGB uint8 (height, width, 3).
        landmarks: (5, 2) in pixels of `image`, ordered as in `Face.landmarks`.
        template: a key of `TEMPLATES`.

    Raises:
        ConfigError: the template is unknown.
        FaceError: the landmarks coincide.
    """
    matrix = template_matrix(landmarks, template)
    return AlignedFace(warp(image, matrix, TEMPLATES[template].side), matrix, template)


def paste_back(photo: np.ndarray, aligned: AlignedFace, mask: np.ndarray | None = None) -> np.ndarray:
    """Lay an aligned face back over the photo it came from.

    Args:
        photo: RGB uint8 (height, width, 3); not changed.
        aligned: the face, perhaps edited.
        mask: float (side, side) in 0 to 1, the face's opacity on the template; everywhere 1 if not given.

    Returns:
        RGB uint8 (height, width, 3); pixels that the template does not cover are those of `photo`.
    """
    opacity = np.ones(aligned.image.shape[:2], np.float32) if mask is None else mask.astype(np.float32)
    height, width = photo.shape[:2]
    opacity = cv2.warpAffine(opacity, invert_similarity(aligned.matrix), (width, height), flags=cv2.INTER_LINEAR)
    return lay_over(photo, aligned.image, aligned.matrix, opacity)


def lay_over(photo: np.ndarray, square: np.ndarray, matrix: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Lay a square that was cut through `matrix` back over the photo.

    Args:
        photo: RGB uint8 (height, width, 3); not changed.
        square: RGB uint8 (side, side, 3).
        matrix: (2, 3) from photo to square.
        opacity: float (height, width) in 0 to 1; where it is 0 the photo's pixels stay exactly as they are.

    Returns:
        RGB uint8 (height, width, 3).
    """
    height, width = photo.shape[:2]
    # The edge is repeated, not black: where opacity fades at the square's rim only the opacity may darken the face.
    face = cv2.warpAffine(
        square, invert_similarity(matrix), (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mixed = photo + opacity.astype(np.float32)[..., None] * (face.astype(np.float32) - photo)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
