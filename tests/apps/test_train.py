"""`limner train`: the miniature's tiny recipes make a model that the studio opens, and go on later."""

import contextlib
import shlex
import shutil
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from limner.apps.assembly_training import read_recipe
from limner.apps.cli import main
from limner.apps.studio import Studio
from limner.apps.training_miniature import ENCODER_SPACE
from limner.core.assets import asset_path
from limner.core.checkpoint import load_checkpoint
from limner.data.record import FaceRecord, write_shard
from limner.data.shard_index import ShardIndex
from limner.data.synthetic_people import SOURCE
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.miniature import Miniature
from limner.identity.encoder import save_encoder
from limner.identity.recognition import GUIDE_SPACE
from limner.identity.vit import FaceViT, ViTConfig
from limner.systems.fact import FactConfig
from tests.data.examples import NUMBERS, record

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
TINY = RECIPES / "tiny"
TAUGHT = "teacher of the encoder, which looks through its convolutions"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    return int(ended.value.code or 0)


def _record(number: int, *, split: str) -> FaceRecord:
    name, box = f"generated-{number // 2:05d}", (60.0, 70.0, 136.0, 170.0)
    seen = {GUIDE_SPACE: np.eye(512, dtype=np.float32)[number]}
    turned = replace(NUMBERS, pitch=7.0 * number)
    return record(number, person=name, source=SOURCE, split=split, face_box=box, embeddings=seen, numbers=turned)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of three made-up people and an autoencoder with random weights."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "shards").mkdir()
    people = [_record(i, split="validation" if i > 3 else "train") for i in range(6)]
    write_shard(folder / "shards" / "a.tar", people)
    (folder / "recipes").symlink_to(RECIPES)
    (folder / "taef2").mkdir()
    torch.manual_seed(0)
    weights = TinyFaceAutoencoder().state_dict()
    for part in ("encoder", "decoder"):
        own = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(part)}
        torch.save(own, folder / "taef2" / f"taef2_{part}.pth")
    return folder


def documented_commands() -> list[list[str]]:
    """The lines of the how-to that train at tiny size."""
    lines = (ROOT / "docs" / "howto-train.md").read_text().replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("limner train recipes/tiny/")]


@pytest.fixture(scope="module")
def model(workshop: Path) -> Path:
    """The folder that the commands of the how-to leave behind, run as they stand there."""
    commands = documented_commands()
    assert len(commands) == 1
    with contextlib.chdir(workshop):
        for command in commands:
            assert run(*command, "--threads", "1") == 0
    return workshop / "runs" / "tiny" / "model"


def test_the_studio_opens_what_was_trained(model: Path) -> None:
    portrait = Studio.open(model, device="cpu").portrait(None, "a photo of a man", adapter_scale=0, num_steps=2)[0]
    assert portrait.image.shape == (64, 64, 3)


def test_the_guide_is_not_heard_in_the_directions_that_training_left_out(model: Path) -> None:
    guidance = Studio.open(model, device="cpu").assembly.identity_guidance
    assert guidance.nuisance.shape == (4, 512)
    assert torch.allclose(guidance.nuisance @ guidance.nuisance.T, torch.eye(4), atol=1e-4)


def test_the_adapter_does_not_see_what_differs_between_pictures_of_a_person(model: Path) -> None:
    tensors, header = load_checkpoint(model / "adapter.safetensors")
    assert FactConfig.model_validate(header.config["fact"]).nuisance == 2
    unheard = tensors["nuisance"]
    torch.testing.assert_close(unheard @ unheard.T, torch.eye(2), atol=1e-2, rtol=0)


def test_what_the_adapter_sees_does_not_vary_with_pitch(model: Path, workshop: Path) -> None:
    index = ShardIndex(workshop / "shards")
    records = list(index.of_split("train"))
    again = [number for number, one in enumerate(records) if len(index.people_in("train")[one.person]) > 1]
    [features] = (model.parent / "encoded").glob("features-*.safetensors")
    told = load_file(features)["features"].float().flatten(1)[again]
    pitch = torch.tensor([records[number].numbers.pitch for number in again])
    unheard = load_checkpoint(model / "adapter.safetensors")[0]["nuisance"]
    told, pitch = told - told.mean(dim=0), pitch - pitch.mean()
    heard = pitch @ (told - told @ unheard.T @ unheard)
    assert heard.norm() < 0.05 * (pitch @ told).norm()


def test_its_pictures_can_be_enlarged(model: Path) -> None:
    studio = Studio.open(model, device="cpu")
    portrait = studio.portrait(None, "a photo of a man", adapter_scale=0, num_steps=2, enlarge=True)[0]
    assert portrait.image.shape == (128, 128, 3)


def test_it_follows_a_pose(model: Path) -> None:
    studio = Studio.open(model, device="cpu")
    follow = studio.pose(asset_path("example/person.jpg"))
    [portrait] = studio.portrait(None, "a photo of a man", adapter_scale=0, num_steps=2, control=follow)
    assert portrait.making.licences[-1] == "miniature-pose"


def test_it_draws_in_few_steps(model: Path) -> None:
    studio = Studio.open(model, device="cpu")
    [portrait] = studio.portrait(None, "a photo of a man", adapter_scale=0, fast=True)
    assert portrait.making.licences[-1] == "miniature-few-steps"


def test_the_settings_lie_beside_the_weights(model: Path) -> None:
    written = (model.parent / "miniature-base.toml").read_text()
    assert "steps = 4" in written
    assert "pixels = 64" in written


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        *(("encoder", 0), ("text", 0), ("base", 4), ("projector", 0), ("fact", 2)),
        *(("upscaler", 3), ("pose", 4), ("few-steps", 4)),
    ],
)
def test_every_run_leaves_a_report(model: Path, name: str, pictures: int) -> None:
    page = (model.parent / name / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert page.count("<img") == pictures
    assert ("FAIR ratio by layer" in page) == (name == "fact")


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.toml")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_can_be_read_and_has_a_tiny_twin(path: Path) -> None:
    recipe = read_recipe(path, ["training.steps=7"])
    assert recipe.model_dump()["training"]["steps"] == 7
    assert (TINY / path.name).exists()
    twin = read_recipe(TINY / path.name, [])
    assert type(twin) is type(recipe)


def test_a_longer_run_goes_on(model: Path, workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (model.parent / "base" / "log.csv").read_text().splitlines()
    arguments = ["--shards", str(workshop / "shards"), "-o", str(model.parent), "--threads", "1"]
    assert run(str(TINY / "miniature-base.toml"), *arguments, "--set", "training.steps=5") == 0
    after = (model.parent / "base" / "log.csv").read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


def test_a_run_begins_with_the_weights_of_another(model: Path, workshop: Path, tmp_path: Path) -> None:
    changes = [f"start={model}", "model.pooled_text=true", "training.learning_rate=1e-12"]
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path), "--threads", "1"]
    assert run(str(TINY / "miniature-base.toml"), *arguments, *chain.from_iterable(("--set", c) for c in changes)) == 0
    start, made = Miniature.load(model), Miniature.load(tmp_path / "model")
    assert made.vae.config == start.vae.config  # the weights know its latents and no others
    before, after = start.unet, made.unet
    assert not hasattr(before, "add_embedding")
    own = before.state_dict()
    for name, values in after.state_dict().items():
        if name in own:
            torch.testing.assert_close(values, own[name], atol=1e-6, rtol=1e-5)
    quiet = after.state_dict()["add_embedding.norm2.weight"]
    torch.testing.assert_close(quiet, torch.full_like(quiet, 0.1), atol=2e-3, rtol=0)


def test_an_adapter_begins_with_the_weights_of_another(model: Path, workshop: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    shutil.copytree(model.parent / "encoded", tmp_path / "encoded")
    changes = [f"start={model / 'adapter.safetensors'}", "training.learning_rate=1e-12", "training.seed=5"]
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path), "--threads", "1"]
    assert run(str(TINY / "miniature-fact.toml"), *arguments, *chain.from_iterable(("--set", c) for c in changes)) == 0
    (before, one), (after, other) = (load_checkpoint(of / "adapter.safetensors") for of in (model, tmp_path / "model"))
    assert all(torch.allclose(after[name], values, atol=1e-2) for name, values in before.items())
    assert one.recognizers[GUIDE_SPACE] == f"{TAUGHT}; guided the adapter's training"
    assert set(other.recognizers) == set(one.recognizers)
    assert not (tmp_path / "projector").exists()


def test_an_adapter_moves_to_another_encoder(
    model: Path, workshop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model, tmp_path / "model")
    shutil.copytree(model.parent / "encoded", tmp_path / "encoded")
    encoder = FaceViT(ViTConfig(patch=16, width=32, depth=1, heads=2, embedding=8))
    other = tmp_path / "other.safetensors"
    changes = [
        f"start={model / 'adapter.safetensors'}",
        f"start_encoder={other}",
        "training.learning_rate=1e-12",
        "projector.training.learning_rate=0.1",
    ]
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path), "--threads", "1"]
    options = [*arguments, *chain.from_iterable(("--set", change) for change in changes)]
    save_encoder(other, encoder, feature_space="other-space", licence="miniature-encoder")
    assert run(str(TINY / "miniature-fact.toml"), *options) == 2
    assert "'other-space'" in capsys.readouterr().err
    save_encoder(other, encoder, feature_space=ENCODER_SPACE, licence="miniature-encoder")
    assert run(str(TINY / "miniature-fact.toml"), *options) == 0
    (before, _), (after, _) = (load_checkpoint(of / "adapter.safetensors") for of in (model, tmp_path / "model"))
    moved = {name.partition(".")[0] for name in before if not torch.allclose(before[name], after[name], atol=1e-2)}
    assert moved == {"resampler"}
    assert (tmp_path / "projector" / "report.html").is_file()


def test_features_are_made_once_for_each_encoder(model: Path, workshop: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    shutil.copytree(model.parent / "encoded", tmp_path / "encoded")
    [made] = (tmp_path / "encoded").glob("features-*.safetensors")
    save_file({name: values * 0 for name, values in load_file(made).items()}, made)
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path), "--threads", "1"]
    assert run(str(TINY / "miniature-fact.toml"), *arguments) == 0
    assert [made] == list((tmp_path / "encoded").glob("features-*.safetensors"))
    assert not load_file(made)["features"].any()


def test_likeness_wants_the_shards_that_the_latents_were_made_of(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shard(tmp_path / "a.tar", [_record(0, split="train")])
    arguments = ["--shards", str(tmp_path), "-o", str(model.parent), "--threads", "1", "--set", "training.steps=9"]
    assert run(str(TINY / "miniature-fact.toml"), *arguments) == 2
    assert "name the shards that the base was trained on" in " ".join(capsys.readouterr().err.split())


def test_measurements_that_are_not_heard_need_directions(
    model: Path, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--shards", str(workshop / "shards"), "-o", str(model.parent), "--set", "fact.nuisance=0"]
    assert run(str(TINY / "miniature-fact.toml"), *arguments) == 2
    assert "1 measurements are not to be heard, but fact.nuisance leaves out 0" in " ".join(
        capsys.readouterr().err.split()
    )


def test_the_base_asks_for_an_autoencoder(workshop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--shards", str(workshop / "shards"), "-o", str(tmp_path)]
    assert run(str(TINY / "miniature-base.toml"), *arguments) == 2
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


def test_nobody_need_be_held_back_but_somebody_trained_on(
    workshop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {}
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        write_shard(tmp_path / split / "a.tar", [_record(i, split=split) for i in range(4)])
        arguments = ["--shards", str(tmp_path / split), "-o", str(tmp_path / f"runs-{split}"), "--threads", "1"]
        codes[split] = run(str(TINY / "miniature-base.toml"), *arguments, "--autoencoder", str(workshop / "taef2"))
    assert codes == {"train": 0, "validation": 2}
    assert "holds pictures for validation only" in capsys.readouterr().err
    assert not (tmp_path / "runs-train" / "encoded" / "validation.safetensors").exists()
