"""How recognisable a face is: LightQNet, and what Limner refuses.

LightQNet: Chen et al., "LightQNet: lightweight deep face quality assessment for risk-controlled face recognition",
IEEE SPL 2021; weights MIT.

Where the two limits come from: the 28 sharp faces of the test portraits were blurred (Gaussian, sigma in pixels of the
112 px crop) or shrunk before alignment, and compared with themselves by the guide recogniser (cosine; 0.36 is its
verification threshold). Medians, with the 5th percentile in brackets:

===================  =========== ===========
degradation          quality     cosine
===================  =========== ===========
none                 0.60 (0.57) 1.00
blur, sigma 2        0.60 (0.47) 0.81 (0.70)
blur, sigma 3        0.44 (0.19) 0.53 (0.31)
blur, sigma 4        0.17 (0.03) 0.29 (0.08)
14 px between eyes   0.60 (0.57) 0.89 (0.83)
10 px between eyes   0.59 (0.50) 0.75 (0.60)
7 px between eyes    0.42 (0.25) 0.50 (0.34)
5 px between eyes    0.15 (0.04) 0.30 (0.12)
===================  =========== ===========

Of 1,174 undegraded photos from five sets, 5 score below 0.2: all covered (camera, cap,
sunglasses) or seen from the side, none blurred.
"""

import threading
from functools import cached_property

import cv2
import numpy as np

from limner.core.assets import asset_path
from limner.core.errors import CheckpointError, ConfigError, FaceTooBlurredError, FaceTooSmallError
from limner.faces.face import AlignedFace, Face

MIN_QUALITY = 0.2
"""Faces that score less are refused as too blurred."""

MIN_EYE_DISTANCE = 10.0
"""Faces with fewer pixels between the eyes (see `Face.frontal_eye_distance`) are refused as too small."""

_PIXELS = 96


class FaceQuality:
    """The quality network, read from disk at the first face."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def score(self, aligned: AlignedFace) -> float:
        """Recognisability from 0 (hopeless) to 1; sharp frontal faces reach 0.5 to 0.7.

        Args:
            aligned: a face on the template `arcface-112`.

        Raises:
            ConfigError: the face is on another template.
            CheckpointError: the weights are not installed.
        """
        if aligned.template != "arcface-112":
            raise ConfigError(
                f"A face on the template {aligned.template!r} was given; the quality network reads 'arcface-112'. "
                "Align the photo with that template."
            )
        bgr = cv2.cvtColor(aligned.image, cv2.COLOR_RGB2BGR)
        small = cv2.resize(bgr, (_PIXELS, _PIXELS), interpolation=cv2.INTER_LINEAR)
        blob = ((small.astype(np.float32) - 128) / 128).transpose(2, 0, 1)[None]
        with self._lock:
            self._network.setInput(blob)
            return float(np.clip(self._network.forward().ravel()[0], 0, 1))

    @cached_property
    def _network(self) -> cv2.dnn.Net:
        path = asset_path("lightqnet/lightqnet-dm100.pb")
        try:
            return cv2.dnn.readNetFromTensorflow(str(path))
        except cv2.error as error:
            raise CheckpointError(
                f"{path} was given as a TensorFlow graph and cannot be read ({error.err}). Install Limner again."
            ) from error


def require_size(face: Face) -> None:
    """Refuse a face with too few pixels.

    Raises:
        FaceTooSmallError: fewer than `MIN_EYE_DISTANCE` pixels between the eyes.
    """
    if face.frontal_eye_distance < MIN_EYE_DISTANCE:
        raise FaceTooSmallError(
            f"The face is {face.box[2]:.0f} x {face.box[3]:.0f} pixels with {face.frontal_eye_distance:.1f} between "
            f"the eyes; {MIN_EYE_DISTANCE:.0f} are needed to tell who it is. "
            "Use a photo in which the face is larger, or choose another face of this one."
        )


def require_quality(quality: float) -> None:
    """Refuse a face that nobody could recognise.

    Raises:
        FaceTooBlurredError: `quality` is below `MIN_QUALITY`.
    """
    if quality < MIN_QUALITY:
        raise FaceTooBlurredError(
            f"The face scores {quality:.2f} in recognisability; {MIN_QUALITY:.2f} is needed, a sharp face reaches 0.6. "
            "It is blurred, covered or turned away. Use a sharper photo that shows the face from the front."
        )
