"""Fixtures that every room's tests may use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with goldens, photos and data sets; absent on a user's machine."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("needs ../shared")
    return SHARED
