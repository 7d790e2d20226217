"""TrustMark is used where it is whole, and its networks are never fetched."""

import importlib.machinery
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limner.trust import trustmark, watermark
from limner.trust.trustmark import NEEDED, TrustMarkWatermark, present_trustmark


class Networks:
    """Keeps the message beside the picture, as the real ones do inside it."""

    def __init__(self) -> None:
        self.bits = ""

    def encode(self, picture: Image.Image, bits: str, MODE: str) -> Image.Image:
        assert MODE == "binary"
        assert len(bits) == 61
        self.bits = bits
        return picture

    def decode(self, picture: Image.Image, MODE: str) -> tuple[str, bool, int]:
        return self.bits, bool(self.bits), 1


def test_a_number_goes_in_and_comes_out(face: np.ndarray) -> None:
    networks = Networks()
    mark = TrustMarkWatermark(networks)
    assert mark.read(face) is None
    assert mark.read(mark.embed(face, 0xA3F09C)) == 0xA3F09C
    assert mark.false_alarm < 1e-9


def test_somebody_elses_mark_is_not_limners(face: np.ndarray) -> None:
    networks = Networks()
    networks.bits = "01" * 30 + "0"
    assert TrustMarkWatermark(networks).read(face) is None


def test_without_package_or_weights_the_own_mark_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trustmark, "find_spec", lambda name: None)
    assert present_trustmark() is None
    assert [mark.name for mark in watermark.watermarks()] == ["app.limner.spread-spectrum.1"]
    spec = importlib.machinery.ModuleSpec("trustmark", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(trustmark, "find_spec", lambda name: spec)
    assert present_trustmark() is None
    (tmp_path / "models").mkdir()
    for name in NEEDED:
        (tmp_path / "models" / name).touch()
    mark = TrustMarkWatermark(Networks())
    monkeypatch.setattr(trustmark, "_loaded", lambda: mark)
    assert present_trustmark() is mark
    assert [one.name for one in watermark.watermarks()] == [mark.name, "app.limner.spread-spectrum.1"]
