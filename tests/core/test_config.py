"""Settings are read, changed, checked and written back."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from limner.core.config import Config
from limner.core.errors import ConfigError


class Training(Config):
    steps: int = Field(default=100, gt=0)
    rate: float = 1e-3
    warm_start: Path | None = None


class Recipe(Config):
    name: str
    widths: tuple[int, ...] = (1, 2)
    training: Training = Training()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.toml"
    file.write_text('name = "tiny"\n[training]\nsteps = 7\n')
    return file


def test_a_file_is_read(path: Path) -> None:
    assert Recipe.read(path) == Recipe(name="tiny", training=Training(steps=7))


def test_single_values_are_changed(path: Path) -> None:
    changes = ["training.steps=9", "name=a plain sentence", "widths=[3, 5]", 'training.warm_start="a.safetensors"']
    assert Recipe.read(path, overrides=changes) == Recipe(
        name="a plain sentence", widths=(3, 5), training=Training(steps=9, warm_start=Path("a.safetensors"))
    )


def test_settings_are_frozen(path: Path) -> None:
    with pytest.raises(ValidationError):
        Recipe.read(path).name = "other"


def test_what_is_written_reads_back_and_has_a_fingerprint(path: Path) -> None:
    recipe = Recipe(name="tiny", widths=(4,), training=Training(rate=3e-5))
    recipe.write(path)
    again = Recipe.read(path)
    assert again == recipe
    assert again.fingerprint() == recipe.fingerprint()
    assert len(recipe.fingerprint()) == 12
    assert Recipe.read(path, overrides=["training.steps=101"]).fingerprint() != recipe.fingerprint()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.step=9", "training.step: unknown, did you mean 'steps'"),
        ("colour=9", "colour: unknown$"),
        ("training.steps=0", "training.steps: Input should be greater than 0"),
        ("training.steps=many", "training.steps: Input should be a valid integer"),
        ("training.steps", r"wrong form; write key=value, e.g. training.steps=10"),
        ("=3", "wrong form"),
        ("name.first=3", "looks inside 'name', which is a single value"),
    ],
)
def test_wrong_overrides_are_named(path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe.read(path, overrides=[override])


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml cannot be read .* check the name"):
        Recipe.read(tmp_path / "none.toml")
    for content in (b"name = ", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad.toml is not TOML"):
            Recipe.read(tmp_path / "bad.toml")
