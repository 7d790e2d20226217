"""The packaged portrait of a person who does not exist, and networks that are read once a session."""

import numpy as np
import pytest

from limner.core.assets import asset_path
from limner.core.images import read_image
from limner.faces.analysis import FaceAnalysis, FaceAnalyzer
from limner.faces.face import Face


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """RGB uint8 (768, 768, 3); not to be changed."""
    image = read_image(asset_path("example/person.jpg"))
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer()


@pytest.fixture(scope="session")
def face(photo: np.ndarray, analyzer: FaceAnalyzer) -> Face:
    [only] = analyzer.detect(photo)
    return only


@pytest.fixture(scope="session")
def analysis(photo: np.ndarray, analyzer: FaceAnalyzer) -> FaceAnalysis:
    return analyzer.analyze(photo)
