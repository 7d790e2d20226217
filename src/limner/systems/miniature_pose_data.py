"""Training pictures of the pose ControlNet: latents of the miniature's own variants, and the face mesh of each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.captions import Traits
from limner.data.record import FaceRecord
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.faces.analysis import FaceAnalyzer
from limner.faces.conditions import landmark_picture
from limner.faces.detection import select_face
from limner.faces.face import Face
from limner.systems.miniature_data import encode_faces, load_traits, save_traits

_ENCODED_TOGETHER = 32
_MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class PosedFaces:
    """``latents`` ``(records, 2, 32, rows, columns)`` float16; ``meshes`` ``(records, 2, 468, 2)`` float16, x and y as
    shares of the picture's side; ``traits`` per record and variant."""

    latents: Tensor
    meshes: Tensor
    traits: list[tuple[Traits, ...]]

    def save(self, path: Path) -> None:
        """Write to ``path`` (safetensors) and ``path`` with ``.json`` (traits)."""
        save_traits(path.with_suffix(".json"), self.traits)
        with replacing(path) as unfinished:
            save_file({"latents": self.latents, "meshes": self.meshes}, unfinished)

    @classmethod
    def load(cls, path: Path) -> "PosedFaces":
        """What was saved.

        Raises:
            InputError: another version of Limner wrote it.
        """
        return cls(**load_file(path), traits=load_traits(path.with_suffix(".json")))


def pose_faces(
    records: Iterable[FaceRecord],
    autoencoder: TinyFaceAutoencoder,
    analyzer: FaceAnalyzer,
    *,
    pixels: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> PosedFaces:
    """Both variants of every record that has a face.

    Raises:
        InputError: none has.
    """
    latents: list[Tensor] = []
    meshes: list[np.ndarray] = []
    traits: list[tuple[Traits, ...]] = []
    chunk: list[FaceRecord] = []

    def finish() -> None:
        encoded = encode_faces(chunk, autoencoder, pixels=pixels, seed=seed + len(traits))
        latents.append(encoded.latents)
        traits.extend(encoded.traits)
        chunk.clear()
        progress(len(traits))

    for record in records:
        face = face_in(record, analyzer)
        if face is None:
            continue
        meshes.append(meshes_of(record.image, face, analyzer))
        chunk.append(record)
        if len(chunk) == _ENCODED_TOGETHER:
            finish()
    if chunk:
        finish()
    if not traits:
        raise InputError("none of these records has a face; give shards of portraits (--shards)")
    return PosedFaces(torch.cat(latents), torch.from_numpy(np.stack(meshes)).half(), traits)


def face_in(record: FaceRecord, analyzer: FaceAnalyzer) -> Face | None:
    """The face that a record is of; looked for where an old record does not hold its box."""
    if record.face_box is not None:
        return Face(record.face_box, record.landmarks, 1.0)
    found = analyzer.detect(record.image)
    return select_face(found) if found else None


def meshes_of(image: np.ndarray, face: Face, analyzer: FaceAnalyzer) -> np.ndarray:
    """Of a square picture and of its mirror image, (2, 468, 2) as shares of the side.

    The mirror image is looked at anew: a mirrored mesh would have its left and right eye exchanged.
    """
    side = image.shape[1]
    pictures = ((image, face), (np.ascontiguousarray(image[:, ::-1]), mirrored(face, side)))
    return np.stack([(analyzer.mesh(picture, one)[:, :2] + 0.5) / side for picture, one in pictures])


def mirrored(face: Face, side: int) -> Face:
    """The face in the mirror image of a picture of that width; what was on the right is then on the left."""
    x, y, width, height = face.box
    landmarks = face.landmarks[_MIRRORED_LANDMARKS] * (-1, 1) + (side - 1, 0)
    return Face((side - 1 - x - width, y, width, height), landmarks.astype(np.float32), face.score)


def lines_of(meshes: Tensor, pixels: int) -> Tensor:
    """``(rows, 468, 2)`` shares of the side -> the condition pictures, ``(rows, 3, pixels, pixels)`` uint8."""
    drawn: Sequence[np.ndarray] = [
        landmark_picture(mesh.float().numpy() * pixels - 0.5, (pixels, pixels)) for mesh in meshes
    ]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()
