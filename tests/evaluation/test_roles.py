"""A judge that took part in training is refused."""

import pytest

from limner.core.checkpoint import Header
from limner.core.errors import ConfigError
from limner.evaluation.roles import TookPart, require_independent, took_part
from limner.identity.recognition import GUIDE_SPACE, JUDGE_SPACE


def header(system: str, space: str | None, recognizers: dict[str, str] | None = None) -> Header:
    return Header(
        system=system, version="1", feature_space=space, licence="cc0", recognizers=recognizers or {}
    )  # fmt: skip


def test_the_encoder_that_an_adapter_reads_took_part() -> None:
    part = took_part({"adapter": header("fact", "some-vit")})
    with pytest.raises(ConfigError, match="some-vit"):
        require_independent("some-vit", part)
    require_independent(JUDGE_SPACE, part)


def test_who_filtered_the_data_took_part() -> None:
    part = took_part({"adapter": header("fact", "some-vit")}, [GUIDE_SPACE])
    with pytest.raises(ConfigError, match="filtered the training data"):
        require_independent(GUIDE_SPACE, part)


def test_a_header_names_the_teacher() -> None:
    part = took_part({"encoder": header("face-vit", "some-vit", {GUIDE_SPACE: "teacher of the encoder"})})
    with pytest.raises(ConfigError, match="teacher of the encoder"):
        require_independent(GUIDE_SPACE, part)


def test_the_roles_of_one_recogniser_are_joined() -> None:
    part = took_part({"encoder": header("face-vit", "some-vit", {GUIDE_SPACE: "teacher"})}, [GUIDE_SPACE])
    assert part.spaces[GUIDE_SPACE] == "filtered the training data; teacher"
    assert part.spaces["some-vit"] == "encoder"


def test_a_file_that_says_nothing_is_named() -> None:
    part = took_part({"old.safetensors": header("fact", "some-vit"), "new": header("fact", "v", {"v": "encoder"})})
    assert part.silent == ("old.safetensors",)


def test_nothing_known_refuses_nobody() -> None:
    require_independent(JUDGE_SPACE, TookPart())
