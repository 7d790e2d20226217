import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.trust import golay


@given(first=st.integers(0, 4095), second=st.integers(0, 4095))
def test_words_differ_in_eight_places_or_more(first: int, second: int) -> None:
    differing = (golay.encode(first, 1) != golay.encode(second, 1)).sum()
    assert differing == 0 if first == second else differing >= 8


@given(number=st.integers(0, 2**24 - 1), wrong=st.sets(st.integers(0, 23), max_size=3))
def test_three_wrong_signs_a_word_are_put_right(number: int, wrong: set[int]) -> None:
    received = golay.encode(number, 2)
    received[list(wrong)] *= -1
    assert golay.decode(received) == number


def test_weak_signs_count_less_than_strong_ones() -> None:
    received = 10 * golay.encode(1234, 1)
    received[:9] = -0.1 * np.sign(received[:9])
    assert golay.decode(received) == 1234


def test_numbers_have_different_words() -> None:
    assert golay.encode(1, 3).shape == (72,)
    assert len({tuple(golay.encode(number, 1)) for number in range(4096)}) == 4096
    with pytest.raises(ValueError, match="read-only"):
        golay._codebook()[0] = 0
