"""`limner ablate` at toy length: variants are trained alike, measured together, and not twice."""

import json
from pathlib import Path

import pytest

from limner.apps.ablation import VARIANTS, Variant, chosen_variants, ground_of, seeds_named
from limner.apps.assembly_training import read_recipe
from limner.apps.cli import main
from limner.apps.training_miniature_fact import FactRecipe
from limner.core.checkpoint import read_header
from limner.core.errors import CheckpointError, ConfigError, MissingExtraError
from limner.diffusion.miniature import MiniatureConfig, build_unet
from limner.identity.judge import JudgeRecognizer
from limner.systems.designs import new_system
from limner.training.optimizer import parameter_groups
from tests.apps.evaluation_desk import FEW, save_runs, write_people, write_recipe
from tests.apps.tiny_models import SPACE

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    write_people(folder / "shards")
    save_runs(folder / "runs")
    write_recipe(folder / "fact.toml")
    return folder


def run(desk: Path, *more: str) -> int:
    try:
        JudgeRecognizer()
    except MissingExtraError as error:
        pytest.skip(str(error))
    shared = [str(desk / "fact.toml"), "--shards", str(desk / "shards"), "--miniature", str(desk / "runs")]
    with pytest.raises(SystemExit) as ended:
        main(["ablate", *shared, "-o", str(desk / "out"), *FEW, "--threads", "1", *more])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def output(desk: Path) -> Path:
    assert run(desk, "--variants", "no-fair,decoupled") == 0
    return desk / "out"


def folder_of(output: Path, variant: str) -> Path:
    (found,) = output.glob(f"{variant}-????????????")
    return found


def test_one_report_holds_all_variants_and_their_differences(output: Path) -> None:
    report = json.loads((output / "report.json").read_text())
    methods = report["groups"]["validation"]["methods"]
    assert list(methods) == ["base", "fact", "no-fair", "decoupled"]
    assert methods["fact"]["difference"] == {}
    assert methods["no-fair"]["difference"]["found"] is not None
    assert "no-fair: no penalty on what is added beside the face" in report["notes"]


def test_each_variant_is_what_it_says(output: Path) -> None:
    headers = {name: read_header(folder_of(output, name) / "model" / "adapter.safetensors")
               for name in ("fact", "no-fair", "decoupled")}  # fmt: skip
    assert {name: header.system for name, header in headers.items()} == {
        "fact": "fact",
        "no-fair": "fact",
        "decoupled": "decoupled",
    }
    assert {header.recognizers[SPACE] for header in headers.values()} == {"encoder"}
    assert "increment = 0" in (folder_of(output, "no-fair") / "miniature-fact.toml").read_text()


def test_the_miniatures_own_folder_is_left_alone(output: Path, desk: Path) -> None:
    assert not (desk / "runs" / "model" / "adapter.safetensors").exists()
    assert not (desk / "runs" / "fact").exists()


def test_what_is_finished_is_not_done_again(output: Path, desk: Path) -> None:
    logs = [folder_of(output, name) / "model" / "adapter.safetensors" for name in ("fact", "no-fair", "decoupled")]
    before = [path.stat().st_mtime_ns for path in logs]
    assert run(desk, "--variants", "no-fair,decoupled") == 0
    assert [path.stat().st_mtime_ns for path in logs] == before
    logs[0].write_bytes(b"broken")
    assert run(desk, "--variants", "no-fair") == 0  # trained again: its state is finished, the file is written anew
    assert read_header(logs[0]).system == "fact"


def test_several_trainings_are_told_apart_and_together(output: Path, desk: Path) -> None:
    assert run(desk, "--variants", "fact", "--training-seeds", "0,1", "--set", "training.log_every=3") == 0
    report = json.loads((output / "report.json").read_text())
    methods = report["groups"]["validation"]["methods"]
    assert list(methods) == ["base", "fact-seed0", "fact-seed1", "fact"]
    assert methods["fact"]["difference"] == {}
    folders = [path for path in output.glob("fact-*") if "log_every = 3" in (path / "miniature-fact.toml").read_text()]
    seeded = [(path / "miniature-fact.toml").read_text().count("seed = 1") for path in folders]
    assert sorted(seeded) == [0, 2]  # the lesson's and the adapter's
    assert len({(path / "model" / "adapter.safetensors").read_bytes() for path in folders}) == 2


def test_wrong_seeds_of_training_are_told() -> None:
    assert seeds_named("0, 2") == (0, 2)
    assert seeds_named(None) == ()
    for wrong in ("0,0", "one", "", "-1"):
        with pytest.raises(ConfigError, match="different whole numbers"):
            seeds_named(wrong)


def test_every_variant_is_a_change_of_the_real_recipe() -> None:
    recipes = [read_recipe(RECIPES / "miniature-fact.toml", list(variant.overrides)) for variant in VARIANTS]
    prints = {recipe.fingerprint() for recipe in recipes}
    assert len(prints) == len(VARIANTS) == 7


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_real_recipe_suits_every_variants_parameters(variant: Variant) -> None:
    recipe = read_recipe(RECIPES / "miniature-fact.toml", list(variant.overrides))
    assert isinstance(recipe, FactRecipe)
    unet = build_unet(MiniatureConfig(pixels=64, channels=(32, 64), text_width=256))
    system = new_system(unet, recipe.fact)
    assert parameter_groups(system, recipe.training)


def test_variants_by_name() -> None:
    assert [one.name for one in chosen_variants("decoupled")] == ["fact", "decoupled"]
    assert chosen_variants(None) == VARIANTS
    with pytest.raises(ConfigError, match="no variant nobody"):
        chosen_variants("nobody")


def test_a_miniature_without_a_base_is_told(tmp_path: Path, desk: Path) -> None:
    recipe = read_recipe(desk / "fact.toml", [])
    with pytest.raises(CheckpointError, match=r"miniature-base\.toml"):
        ground_of(recipe, tmp_path)
    with pytest.raises(ConfigError, match="--miniature"):
        ground_of(recipe, None)
