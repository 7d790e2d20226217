"""Other libraries are silent inside and as before outside."""

import logging

import pytest
from diffusers.utils import logging as of_diffusers
from transformers.utils import logging as of_transformers

from limner.apps.quiet import quiet_libraries


def _state() -> list[object]:
    levels: list[object] = [logging.getLogger(name).level for name in ("diffusers", "transformers")]
    return [*levels, of_diffusers.is_progress_bar_enabled(), of_transformers.is_progress_bar_enabled()]


@pytest.mark.parametrize(("keep", "inside"), [(False, [40, 40, False, False]), (True, [40, 40, True, True])])
def test_quiet_inside_as_before_outside_even_after_an_error(keep: bool, inside: list[object]) -> None:
    of_diffusers.enable_progress_bar()
    of_transformers.enable_progress_bar()
    before = _state()
    seen: list[object] = []

    def fail_inside() -> None:
        with quiet_libraries(keep_bars=keep):
            seen.extend(_state())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert seen == inside
    assert _state() == before


def test_bars_that_were_off_stay_off() -> None:
    of_diffusers.disable_progress_bar()
    try:
        with quiet_libraries():
            pass
        assert not of_diffusers.is_progress_bar_enabled()
    finally:
        of_diffusers.enable_progress_bar()
