"""A miniature that fits a test, and the packaged portrait of a person who does not exist."""

from collections.abc import Callable
from pathlib import Path

import pytest

from limner.apps.cli import main
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.identity.identity import Identity
from tests.apps.tiny_models import save_tiny_miniature

Exits = Callable[..., tuple[int, str, str]]
"""What a command line ends with: exit code, standard output, standard error."""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Exits:
    """Run ``limner`` with arguments."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_command


@pytest.fixture(scope="session")
def miniature_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny_miniature(folder)
    return folder


@pytest.fixture(scope="session")
def studio(miniature_folder: Path) -> Studio:
    return Studio.open(miniature_folder, device="cpu")


@pytest.fixture(scope="session")
def person(studio: Studio) -> Identity:
    return studio.identity(asset_path("example/person.jpg"))


@pytest.fixture
def without_watermark(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written pixels are those that were drawn."""
    settings = tmp_path_factory.mktemp("trust") / "trust.toml"
    settings.write_text("watermark = false\n")
    monkeypatch.setenv("LIMNER_TRUST_SETTINGS", str(settings))
