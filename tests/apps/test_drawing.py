"""Rows in one pass: what is shared is shared, what is heavy waits until it is needed."""

import subprocess
import sys

import numpy as np
import pytest

from limner.apps.drawing import Row, draw_rows
from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.core.errors import AdapterError
from limner.identity.identity import Identity


def test_importing_the_studio_loads_no_pipeline() -> None:
    """Their import speaks, and only what is inside ``quiet_libraries`` is kept off the user's screen."""
    code = "import sys, limner.apps.studio; print([m for m in sys.modules if m.startswith('diffusers.pipelines.')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_a_row_without_a_person_among_others_is_refused(studio: Studio, person: Identity) -> None:
    settings = studio.completed(PortraitSettings(prompt="a person", num_steps=1))
    rows = [Row("a person", 1, person), Row("a person", 2)]
    with pytest.raises(AdapterError, match="no person was given"):
        draw_rows(studio.assembly, rows, settings, size=(64, 64))


def test_rows_of_different_words_are_as_alone(studio: Studio, person: Identity) -> None:
    settings = studio.completed(PortraitSettings(prompt="-", num_steps=2))
    rows = [Row("glasses", 1, person), Row("a hat", 2, person, negative_prompt="glasses")]
    together = draw_rows(studio.assembly, rows, settings, size=(64, 64))
    for row, image in zip(rows, together, strict=True):
        [alone] = draw_rows(studio.assembly, [row], settings, size=(64, 64))
        assert np.abs(alone.astype(int) - image).max() <= 1
