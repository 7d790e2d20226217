"""`make miniature` names commands, options and recipes that exist, in an order in which each finds what it needs."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from limner.data.synthesis import FIRST_EXCHANGED_GLASSES, Directions
from tests.docs.test_commands import problem_with

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def printed(*variables: str) -> list[str]:
    """What make would run, in an environment that is there already."""
    program = ["make", "-n", "-C", str(ROOT), "miniature", "READY=", *variables]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def commands(*variables: str) -> list[list[str]]:
    return [shlex.split(line) for line in printed(*variables) if line.split()[0].endswith("/limner")]


def test_every_stage_is_a_command_that_exists() -> None:
    lines = commands()
    assert [" ".join(words[1:3]) for words in lines][:2] == ["data synthesize", "data import"]
    assert [words[1] for words in lines[2:]] == ["train", "evaluate"]
    assert [problem_with(shlex.join(words)) for words in lines] == [None] * 4


def test_every_stage_is_announced_with_its_time() -> None:
    announced = [line for line in printed() if " of 4: " in line]
    assert [line.split('"')[1].split()[0] for line in announced] == list("1234")
    assert all("hours" in line or "minutes" in line for line in announced)


@pytest.mark.parametrize("folder", ["recipes", "recipes/tiny"])
def test_the_runs_stand_in_the_order_they_need(folder: str) -> None:
    """The adapter reads encoder and base, the 2x step the base's autoencoder, the pose ControlNet the base, and what
    draws in few steps all but these two."""
    (train,) = (words for words in commands(f"RECIPES={folder}") if words[1] == "train")
    recipes = [Path(word) for word in train if word.endswith(".toml")]
    stages = ["encoder", "base", "fact", "upscaler", "pose", "few-steps"]
    assert [path.stem.removeprefix("miniature-") for path in recipes] == stages
    assert all((ROOT / path).is_file() for path in recipes)


def test_the_crowd_puts_glasses_on_and_takes_them_off() -> None:
    (synthesize, *_) = commands()
    directions = Directions.read(ROOT / synthesize[synthesize.index("--directions") + 1])
    assert int(synthesize[synthesize.index("--pictures") + 1]) >= FIRST_EXCHANGED_GLASSES + 2
    glasses = directions.unit["glasses"]
    torch.testing.assert_close(glasses.norm(), torch.tensor(1.0))
    others = torch.stack([unit for name, unit in directions.unit.items() if name != "glasses"])
    assert (others @ glasses).abs().max() < 1e-5
    assert directions.deviation["glasses"] > 0


def test_all_stages_share_their_folders() -> None:
    synthesize, imported, train, evaluate = commands("PEOPLE=p", "RUN=r")
    assert synthesize[synthesize.index("-o") + 1] == "p"
    assert imported[imported.index("-o") + 1] == "p/shards"
    assert train[train.index("--shards") + 1] == evaluate[evaluate.index("--shards") + 1] == "p/shards"
    assert train[train.index("-o") + 1] == "r"
    assert evaluate[evaluate.index("--model") + 1] == "r/model"


def test_it_trains_as_long_as_there_is_time_and_in_half_precision_where_that_is_faster() -> None:
    _, _, train, _ = commands("LENGTH=0.2", "HALF=")
    assert train[train.index("--length") + 1] == "0.2"
    assert "bf16" not in " ".join(train)
    synthesize, _, train, _ = commands("HALF=yes")
    assert synthesize[synthesize.index("--precision") + 1] == "bfloat16"
    assert train[train.index("--set") + 1] == "training.mixed_precision=bf16"
