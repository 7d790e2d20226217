"""The dense landmarks of a face: MediaPipe's FaceMesh of 468 points.

FaceMesh: Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs", arXiv:1907.06724;
weights Apache-2.0.
"""

from functools import cached_property

import numpy as np

from limner.core.assets import asset_path
from limner.faces.alignment import invert_similarity, template_matrix, transform_points, warp_smooth
from limner.faces.face import Face
from limner.faces.networks import TfliteNetwork

MESH_POINTS = 468

# Of margins from 1.0 to 1.9 and one to three passes, this one pass gave the network's highest face score on the weakest
# faces (profiles, small ones); a second crop around the first mesh drifts away on profiles.
_MARGIN = 1.35


class FaceMesh:
    """The mesh network, read from disk at the first face."""

    def locate(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The mesh of one face.

        Args:
            image: RGB uint8 (height, width, 3).
            face: a face of this picture.

        Returns:
            float32 (468, 3): x and y in pixels of `image`; depth in the same unit, growing away from the camera, with
            an origin of its own.

        Raises:
            CheckpointError: the weights are not installed.
        """
        crop = self._crop(face)
        side = self._network.input_pixels
        pixels = warp_smooth(image, crop, side)
        points = self._network(pixels.astype(np.float32) / 255.0)[0].reshape(MESH_POINTS, 3)
        scale = float(np.hypot(crop[0, 0], crop[1, 0]))
        mesh = np.column_stack([transform_points(invert_similarity(crop), points[:, :2]), points[:, 2] / scale])
        return mesh.astype(np.float32)

    @cached_property
    def _network(self) -> TfliteNetwork:
        return TfliteNetwork(asset_path("facemesh/face_landmark.tflite"))

    def _crop(self, face: Face) -> np.ndarray:
        """The (2, 3) map of a square around the upright face onto the network's input.

        The angle comes from the fit of all five points: in a profile the line between the eyes says nothing.
        """
        fit = template_matrix(face.landmarks, "arcface-112")
        side = self._network.input_pixels
        linear = fit[:, :2] / np.hypot(fit[0, 0], fit[1, 0]) * (side / max(_MARGIN * max(face.box[2:]), 1.0))
        return np.column_stack([linear, side / 2 - linear @ np.array(face.center)])
