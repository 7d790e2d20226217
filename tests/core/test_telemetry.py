"""What libraries would report is switched off, unless somebody wants it."""

import os

import pytest

from limner.core.telemetry import VARIABLES, report_nothing


def test_nothing_is_reported_unless_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    report_nothing()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")  # so that it is put back as it was
