"""`limner train`: the three real recipes at toy length make a model that the studio opens, and go on later."""

from pathlib import Path

import pytest
import torch

from limner.apps.cli import main
from limner.apps.studio import Studio
from limner.data.record import write_shard
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from tests.data.examples import record

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SHORT = ["--set", "batch=2", "--set", "training.steps=2", "--set", "training.log_every=1", "--threads", "1"]
SMALL = ["--set", "model.pixels=64", "--set", "model.channels=[32, 64]", "--set", "model.vocabulary=400"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of three made-up people and an autoencoder with random weights."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "shards").mkdir()
    people = [record(i, person=f"generated-{i // 2:05d}", split="validation" if i > 3 else "train") for i in range(6)]
    write_shard(folder / "shards" / "a.tar", people)
    torch.manual_seed(0)
    weights = TinyFaceAutoencoder().state_dict()
    for part in ("encoder", "decoder"):
        own = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(part)}
        torch.save(own, folder / f"taef2_{part}.pth")
    return folder


@pytest.fixture(scope="module")
def model(workshop: Path) -> Path:
    """The folder that the three runs leave behind."""
    shared = ["--shards", str(workshop / "shards"), "-o", str(workshop / "run"), *SHORT]
    encoder = ["--set", "blends=4", "--set", "width=256", "--set", "depth=1"]
    assert run(str(RECIPES / "miniature-encoder.toml"), *shared, *encoder) == 0
    assert run(str(RECIPES / "miniature-base.toml"), *shared, *SMALL, "--autoencoder", str(workshop)) == 0
    assert run(str(RECIPES / "miniature-fact.toml"), *shared) == 0
    return workshop / "run" / "model"


def test_the_studio_opens_what_was_trained(model: Path) -> None:
    portrait = Studio.open(model, device="cpu").portrait(None, "a photo of a man", adapter_scale=0, num_steps=2)[0]
    assert portrait.image.shape == (64, 64, 3)


def test_the_settings_lie_beside_the_weights(model: Path) -> None:
    written = (model.parent / "miniature-base.toml").read_text()
    assert "steps = 2" in written
    assert "pixels = 64" in written


def test_a_longer_run_goes_on(model: Path, workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (model.parent / "base" / "log.csv").read_text().splitlines()
    arguments = ["--shards", str(workshop / "shards"), "-o", str(model.parent), *SHORT, *SMALL]
    assert run(str(RECIPES / "miniature-base.toml"), *arguments, "--set", "training.steps=3") == 0
    after = (model.parent / "base" / "log.csv").read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


def test_the_base_asks_for_an_autoencoder(workshop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path), *SHORT, *SMALL]
    assert run(str(RECIPES / "miniature-base.toml"), *arguments) == 2
    assert "--autoencoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [("system=nobody", "known are"), ("training.stepz=3", "did you mean 'steps'"), ("batch=0", "batch")],
)
def test_a_wrong_setting_is_refused(
    change: str, told: str, workshop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    text = (RECIPES / "miniature-base.toml").read_text()
    recipe.write_text(text.replace('"miniature-base"', '"nobody"') if change.startswith("system") else text)
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path / "run")]
    assert run(str(recipe), *arguments, "--set", change) == 2
    assert told in " ".join(capsys.readouterr().err.split())
