"""`limner train` with FACT on tiny Stable Diffusion 1.5 and XL: shards in, an adapter that fits the base out."""

from pathlib import Path
from typing import Any

import pytest
import torch

from limner.apps.assembly_training import read_recipe, train
from limner.core.checkpoint import read_header
from limner.core.errors import ConfigError, FeatureSpaceError
from limner.data.record import read_shards, write_shard
from limner.systems.fact import Fact
from limner.training.log import read_log
from tests.apps.tiny_models import save_tiny_encoder
from tests.contracts.pipelines import PIPELINES
from tests.data.examples import record

TINY = Path(__file__).resolve().parents[2] / "recipes" / "tiny"
BY_NAME = {"sd15": "text-to-image", "sdxl": "sdxl"}


def silent(what: str, done: int, total: int, numbers: dict[str, float]) -> None: ...


def pipeline_of(kind: str) -> Any:
    return next(one for one in PIPELINES if one.name == BY_NAME[kind]).build()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both bases in diffusers format and a face encoder."""
    folder = tmp_path_factory.mktemp("workshop")
    for kind in BY_NAME:
        pipeline_of(kind).save_pretrained(folder / kind)
    save_tiny_encoder(folder / "encoder.safetensors")
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    people = [record(i, person=f"person-{i // 2}", caption="a face") for i in range(4)]
    write_shard(tmp_path / "shards" / "a.tar", people)
    return tmp_path / "shards"


def settings_of(kind: str, workshop: Path, *overrides: str) -> Any:
    places = [f"base={workshop / kind}", f"encoder={workshop / 'encoder.safetensors'}"]
    return read_recipe(TINY / f"fact-{kind}.toml", [*places, *overrides])


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_a_tiny_recipe_trains_an_adapter_for_its_base(kind: str, workshop: Path, shards: Path, tmp_path: Path) -> None:
    written = train(settings_of(kind, workshop), shards, tmp_path / "run", None, silent)
    assert read_header(written).system == "fact"
    pipeline = pipeline_of(kind)
    fact = Fact.load(written, pipeline.unet)
    assert any(value.item() != 0 for name, value in fact.named_parameters() if "alpha" in name)  # gates have moved
    rows = read_log(tmp_path / "run" / "fact" / "log.csv")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert {"denoising", "increment"} < rows[0].keys()
    kinds = {"sd15": {"latents"}, "sdxl": {"latents", "context", "pooled"}}[kind]
    for one in read_shards(shards):
        assert {name.partition("/")[0] for name in one.cached} == kinds
    page = (tmp_path / "run" / "fact" / "report.html").read_text()
    assert page.count("<img") == 2


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_kept_tensors_change_no_loss(kind: str, workshop: Path, shards: Path, tmp_path: Path) -> None:
    losses = []
    for kept in ("true", "false"):
        changes = [f"data.keep_latents={kept}", f"data.keep_text={kept}", "training.inspect_every=0"]
        train(settings_of(kind, workshop, *changes), shards, tmp_path / kept, None, silent)
        losses.append([row["denoising"] for row in read_log(tmp_path / kept / "fact" / "log.csv")])
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)


def test_an_encoder_of_another_space_is_refused(workshop: Path, shards: Path, tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path / "other.safetensors", space="elsewhere")
    settings = settings_of("sd15", workshop, f"encoder={tmp_path / 'other.safetensors'}")
    with pytest.raises(FeatureSpaceError, match="elsewhere"):
        train(settings, shards, tmp_path / "run", None, silent)


def test_directions_that_nobody_measures_are_refused(workshop: Path, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fact\.nuisance"):
        train(settings_of("sd15", workshop, "fact.nuisance=2"), shards, tmp_path / "run", None, silent)


def test_the_rival_is_trained_by_the_same_objective(workshop: Path, shards: Path, tmp_path: Path) -> None:
    settings = settings_of("sd15", workshop, "fact.design=decoupled", "training.steps=2")
    written = train(settings, shards, tmp_path / "run", None, silent)
    assert read_header(written).system == "decoupled"
    assert torch.isfinite(torch.tensor(read_log(tmp_path / "run" / "fact" / "log.csv")[-1]["increment"]))


def test_an_unknown_setting_is_refused(workshop: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'shuffle_probability'"):
        settings_of("sd15", workshop, "curriculum.shufle_probability=1")
