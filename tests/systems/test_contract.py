"""Requests and protocols."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from limner.core.errors import PromptError
from limner.systems.contract import GenerateRequest

ME = (Path("me.jpg"),)


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_a_request_without_words_is_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match="say what the picture shows"):
        GenerateRequest(prompt=prompt, references=ME)


@pytest.mark.parametrize(
    "wrong", [{"references": ()}, {"count": 0}, {"guidance_scale": 0.5}, {"adapter_scale": -1}, {"unknown": 1}]
)
def test_a_request_out_of_range_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        GenerateRequest.model_validate({"prompt": "a photo", "references": ME} | wrong)


def test_a_request_cannot_be_changed() -> None:
    request = GenerateRequest(prompt="a photo", references=ME)
    with pytest.raises(ValidationError):
        setattr(request, "seed", 2)  # noqa: B010 (what a careless caller would do)
