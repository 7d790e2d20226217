"""What the page says never shows a traceback, a folder of this computer, or somebody's tags."""

from pathlib import Path

import pytest

from limner.apps.page import words
from limner.apps.page.runs import Told
from limner.core.errors import ConfigError, NoFaceError

PRIVATE = Path("/tmp/limner-page-x")


def test_a_message_keeps_the_name_of_a_file_and_not_its_place() -> None:
    error = NoFaceError(f"{PRIVATE}/files/0a1b/me.jpg: no face was found")
    assert words.plain(error, PRIVATE) == "Me.jpg: no face was found."


def test_a_message_is_one_sentence_in_one_line() -> None:
    assert words.plain(ConfigError("the seed\n  is missing"), PRIVATE) == "The seed is missing."
    assert words.plain(ConfigError("Look again!"), PRIVATE) == "Look again!"


def test_tags_in_a_message_are_text() -> None:
    told = words.problem(ConfigError("no style '<script>'"), PRIVATE)
    assert "<script>" not in told
    assert "&lt;script&gt;" in told
    assert 'role="alert"' in told


def test_what_should_not_happen_is_not_shown() -> None:
    told = words.problem(KeyError("/root/secret"), PRIVATE)
    assert "secret" not in told
    assert "should not have" in told


def test_progress_says_where_it_is() -> None:
    assert "Drawing: 3 of 25" in words.progress(Told("drawing", 3, 25))
    assert 'value="3" max="25"' in words.progress(Told("drawing", 3, 25))
    assert "of" not in words.progress(Told("opening"))


@pytest.mark.parametrize(("similarity", "told"), [(None, "no face found"), (0.123, "similarity 0.12")])
def test_likeness_in_words(similarity: float | None, told: str) -> None:
    assert words.alike(similarity) == told
