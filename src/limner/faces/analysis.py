"""Everything Limner knows about the face in a photo, in one call."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from limner.faces.alignment import align
from limner.faces.detection import FaceDetector, Search, select_face
from limner.faces.face import AlignedFace, Face
from limner.faces.landmarks import FaceMesh
from limner.faces.parsing import FaceParser
from limner.faces.pose import HeadPose, head_pose
from limner.faces.quality import FaceQuality, require_quality, require_size


@dataclass(frozen=True, eq=False)
class FaceAnalysis:
    """One face of a photo.

    Attributes:
        face: box, five landmarks and score, in pixels of the photo.
        aligned: the face on the template `arcface-112`.
        mesh: float32 (468, 3), dense landmarks in pixels of the photo.
        pose: yaw, pitch and roll in degrees.
        quality: recognisability, 0 to 1.
        parsing_map: uint8 (height, width) of `ParsingLabel` for the whole photo, parsed around this face.
        num_faces: how many faces the photo has.
    """

    face: Face
    aligned: AlignedFace
    mesh: np.ndarray
    pose: HeadPose
    quality: float
    parsing_map: np.ndarray
    num_faces: int


class FaceAnalyzer:
    """The five face networks behind one door. Each is read from disk when it is first needed, and kept.

    Each step can be called alone, so that bulk work pays only for what it uses; `benchmarks/faces.py` times them.
    """

    def analyze(self, image: np.ndarray, face_index: int | None = None) -> FaceAnalysis:
        """Analyse one face of a photo, refusing what cannot serve as a person's likeness.

        Args:
            image: RGB uint8 (height, width, 3).
            face_index: which face, 0 the leftmost; the largest if not given.

        Raises:
            NoFaceError: no face was found.
            FaceIndexError: no face has this index.
            FaceTooSmallError: the face has too few pixels.
            FaceTooBlurredError: the face cannot be recognised.
            CheckpointError: a network's weights are not installed.
        """
        faces = self.search(image).require()
        face = select_face(faces, face_index)
        require_size(face)
        aligned = self.align(image, face)
        require_quality(self.quality(aligned))
        return self.analyze_face(image, face, num_faces=len(faces))

    def analyze_face(self, image: np.ndarray, face: Face, *, num_faces: int = 1) -> FaceAnalysis:
        """Analyse a face that was found already, however small or blurred it is."""
        aligned = self.align(image, face)
        mesh = self.mesh(image, face)
        return FaceAnalysis(
            face=face,
            aligned=aligned,
            mesh=mesh,
            pose=head_pose(mesh),
            quality=self.quality(aligned),
            parsing_map=self.parse(image, face),
            num_faces=num_faces,
        )

    def search(self, image: np.ndarray) -> Search:
        """Faces of a photo with an account of what was tried."""
        return self._detector.search(image)

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of a photo, left to right; may be empty."""
        return self._detector.detect(image)

    def align(self, image: np.ndarray, face: Face, template: str = "arcface-112") -> AlignedFace:
        """The face on a template."""
        return align(image, face.landmarks, template)

    def mesh(self, image: np.ndarray, face: Face) -> np.ndarray:
        """Dense landmarks, float32 (468, 3)."""
        return self._mesh.locate(image, face)

    def quality(self, aligned: AlignedFace) -> float:
        """Recognisability of a face on `arcface-112`, 0 to 1."""
        return self._quality.score(aligned)

    def parse(self, image: np.ndarray, face: Face) -> np.ndarray:
        """Parsing map around the face, uint8 (height, width)."""
        return self._parser.parse(image, face)

    @cached_property
    def _detector(self) -> FaceDetector:
        return FaceDetector()

    @cached_property
    def _mesh(self) -> FaceMesh:
        return FaceMesh()

    @cached_property
    def _parser(self) -> FaceParser:
        return FaceParser()

    @cached_property
    def _quality(self) -> FaceQuality:
        return FaceQuality()
