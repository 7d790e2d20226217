"""Recognisers that may be asked to judge, by the name of their feature space."""

from collections.abc import Callable

from limner.core.errors import ConfigError
from limner.identity.judge import JudgeRecognizer
from limner.identity.recognition import GUIDE_SPACE, JUDGE_SPACE, GuideRecognizer, Recognizer

JUDGES: dict[str, Callable[[], Recognizer]] = {JUDGE_SPACE: JudgeRecognizer, GUIDE_SPACE: GuideRecognizer}
"""The second judges models that it took no part in, such as converted ones of others."""


def open_judge(space: str) -> Recognizer:
    """The recogniser of that feature space.

    Raises:
        ConfigError: there is none.
        MissingExtraError: its packages are not installed.
    """
    if space not in JUDGES:
        raise ConfigError(f"there is no judge {space!r}; choose one of {', '.join(JUDGES)}")
    return JUDGES[space]()
