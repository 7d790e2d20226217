"""The training loop: an interrupted run is the unbroken one, bit for bit, and nothing is lost on the way."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limner.core.errors import CheckpointError, ConfigError
from limner.systems.contract import Batch
from limner.training.loop import LoopSettings, Run
from tests.training.tasks import Stopped, Task, exchange, small_module, task

SETTINGS = LoopSettings(
    steps=30, learning_rate=0.05, warmup_steps=5, decay_steps=10, ema_decay=0.9, seed=3, log_every=4, save_every=7
)


def run(folder: Path, *, module: nn.Module, stop_at: int | None = None, settings: LoopSettings = SETTINGS) -> Run:
    return Run(folder, task(module, stop_at=stop_at), settings)


def rows(folder: Path) -> list[dict[str, str]]:
    """The log without the clock."""
    with (folder / "log.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def everything(one: Run) -> dict[str, Tensor]:
    tensors = {f"module.{name}": value for name, value in one.module.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in one.average.average.items()}
    for index, state in one.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    return tensors


@pytest.fixture
def unbroken(tmp_path: Path) -> Run:
    made = run(tmp_path / "unbroken", module=small_module())
    made.train()
    return made


@pytest.mark.parametrize("stops", [[3], [6], [16], [17, 22, 29]])
def test_a_resumed_run_equals_the_unbroken_one(tmp_path: Path, unbroken: Run, stops: list[int]) -> None:
    folder = tmp_path / "broken"
    for stop in stops:
        with pytest.raises(Stopped):
            run(folder, module=small_module(), stop_at=stop).train()
    # Before the first save nothing was kept: the first module again. After it, whatever comes in is overwritten.
    last = run(folder, module=small_module(0 if stops[-1] < SETTINGS.save_every else 5))
    assert last.step == stops[-1] // SETTINGS.save_every * SETTINGS.save_every
    last.train()
    expected, found = everything(unbroken), everything(last)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert rows(folder) == rows(unbroken.folder)
    assert [int(row["step"]) for row in rows(folder)] == [4, 8, 12, 16, 20, 24, 28, 30]
    assert last.average.steps == unbroken.average.steps == SETTINGS.steps


def test_every_step_of_every_seed_draws_its_own_numbers(tmp_path: Path) -> None:
    drawn: list[int] = []
    for seed in (0, 1):
        one = task(small_module())
        Run(tmp_path / str(seed), one, LoopSettings(steps=10, learning_rate=0.1, seed=seed)).train()
        first, *steps = one.drawn
        assert first == steps[0]  # the first plan is drawn once more, to see whether it can be shared out
        drawn += steps
    assert len(set(drawn)) == 20


def test_whatever_draws_from_the_process_goes_on_as_if_unbroken(tmp_path: Path) -> None:
    """A dropout layer, and the caller's own random numbers."""

    def noisy(folder: str, *, stop_at: int | None = None) -> Run:
        module = nn.Sequential(small_module(), nn.Dropout(0.5))
        return Run(tmp_path / folder, task(module, stop_at=stop_at), SETTINGS)

    torch.manual_seed(5)
    expected = float(torch.rand(()))
    torch.manual_seed(5)
    whole = noisy("unbroken")
    whole.train()
    with pytest.raises(Stopped):
        noisy("broken", stop_at=16).train()
    again = noisy("broken")
    again.train()
    assert float(torch.rand(())) == expected
    assert all(torch.equal(value, everything(again)[name]) for name, value in everything(whole).items())


def test_parts_of_a_batch_add_up_to_it(tmp_path: Path) -> None:
    once, twice = (
        Run(tmp_path / str(parts), task(small_module()), SETTINGS.model_copy(update={"accumulate": parts}))
        for parts in (1, 2)
    )
    once.train()
    twice.train()
    assert all(torch.allclose(value, everything(twice)[name], atol=1e-4) for name, value in everything(once).items())
    for one, other in zip(rows(once.folder), rows(twice.folder), strict=True):
        assert {k: float(v) for k, v in one.items()} == pytest.approx({k: float(v) for k, v in other.items()}, abs=1e-4)


def test_workers_load_the_same_batches(tmp_path: Path, unbroken: Run) -> None:
    other = run(tmp_path / "workers", module=small_module(), settings=SETTINGS.model_copy(update={"workers": 2}))
    other.train()
    assert rows(other.folder) == rows(unbroken.folder)


def test_a_row_cut_off_by_the_kill_is_forgotten(tmp_path: Path, unbroken: Run) -> None:
    folder = tmp_path / "broken"
    with pytest.raises(Stopped):
        run(folder, module=small_module(), stop_at=17).train()
    with (folder / "log.csv").open("a") as file:
        file.write("1")  # of 16,...
    run(folder, module=small_module()).train()
    assert rows(folder) == rows(unbroken.folder)


def test_the_loss_falls_and_the_log_says_so(unbroken: Run) -> None:
    log = rows(unbroken.folder)
    assert list(log[0]) == ["step", "first", "second", "gradient_norm"]
    assert float(log[-1]["first"]) < 0.8 * float(log[0]["first"])


def test_a_finished_run_has_nothing_left_to_do_and_can_be_lengthened(tmp_path: Path, unbroken: Run) -> None:
    again = run(unbroken.folder, module=small_module(), stop_at=SETTINGS.steps)
    again.train()
    assert rows(again.folder) == rows(unbroken.folder)
    longer = SETTINGS.model_copy(update={"steps": 34})
    more = run(unbroken.folder, module=small_module(), settings=longer)
    more.train()
    assert more.step == 34
    assert int(rows(more.folder)[-1]["step"]) == 34


def test_an_interrupted_save_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(tmp_path, module=small_module(), stop_at=8)
    with pytest.raises(Stopped):
        one.train()
    before = (tmp_path / "state.pt").read_bytes()
    whole_save = torch.save

    def half_save(state: Any, path: Path) -> None:
        whole_save(state, path)
        path.write_bytes(path.read_bytes()[:100])
        raise Stopped

    monkeypatch.setattr(torch, "save", half_save)
    with pytest.raises(Stopped):
        one.save()
    assert (tmp_path / "state.pt").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "report.html", "state.pt"]
    assert run(tmp_path, module=small_module()).step == 7


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_state_that_does_not_fit_is_refused(tmp_path: Path, unbroken: Run, damage: str) -> None:
    path = unbroken.folder / "state.pt"
    if damage != "other":
        path.write_bytes(path.read_bytes()[:200] if damage == "cut" else b"")
    with pytest.raises(CheckpointError, match=r"state\.pt is broken or of another model"):
        run(unbroken.folder, module=nn.Linear(2, 2) if damage == "other" else small_module())


def test_weights_multiply_the_terms(tmp_path: Path) -> None:
    def moved(name: str, weights: dict[str, float]) -> Tensor:
        module = nn.Linear(1, 2, bias=False)
        nn.init.zeros_(module.weight)

        def loss(batch: Batch, step: int) -> dict[str, Tensor]:
            return {"up": -module.weight[0].sum(), "down": module.weight[1].sum()}

        settings = LoopSettings(
            steps=1, learning_rate=1.0, warmup_steps=0, decay_steps=0, clip_norm=1e9, weights=weights
        )
        one = Run(tmp_path / name, Task(module, loss), settings)
        one.train()
        return one.optimizer.state_dict()["state"][0]["exp_avg"].flatten() / 0.1

    torch.testing.assert_close(moved("plain", {}), torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(moved("weighted", {"down": 0.25}), torch.tensor([-1.0, 0.25]))
    torch.testing.assert_close(moved("switched off", {"up": 0.0}), torch.tensor([0.0, 1.0]))


def test_a_weight_can_rise() -> None:
    settings = LoopSettings(
        steps=20, learning_rate=1.0, weights={"first": 0.5, "second": 3.0}, weight_ramps={"first": 0.2}
    )
    assert [settings.weight_of("first", step) for step in (0, 1, 2, 4, 19)] == [0.0, 0.125, 0.25, 0.5, 0.5]
    assert [settings.weight_of("second", step) for step in (0, 19)] == [3.0, 3.0]
    assert settings.weight_of("third", 0) == 1.0


def test_a_weight_of_an_unknown_term_is_refused(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"weights": {"frist": 2.0}})
    with pytest.raises(ConfigError, match=r"weights of frist, but the loss has first, second"):
        run(tmp_path, module=small_module(), settings=settings).train()


def test_a_diverging_run_stops_and_keeps_its_last_state(tmp_path: Path) -> None:
    module = small_module()
    plain = exchange(module)

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        terms = plain(batch, step)
        return terms if step < 9 else {**terms, "first": terms["first"] * torch.inf}

    with pytest.raises(ConfigError, match=r"diverged at step 9 .*lower learning_rate"):
        Run(tmp_path, Task(module, loss), SETTINGS).train()
    kept = run(tmp_path, module=small_module())
    assert kept.step == 7
    assert all(value.isfinite().all() for value in everything(kept).values())


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    module = nn.Linear(1, 1, bias=False)

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        return {"steep": 1000 * module.weight.sum()}

    one = Run(tmp_path, Task(module, loss), LoopSettings(steps=1, learning_rate=0.1, clip_norm=0.5))
    one.train()
    assert one.optimizer.state_dict()["state"][0]["exp_avg"].item() == pytest.approx(0.05)
    assert float(rows(tmp_path)[0]["gradient_norm"]) == 1000.0


def test_frozen_parameters_are_not_touched(tmp_path: Path) -> None:
    module = small_module()
    module.get_submodule("0").requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    run(tmp_path, module=module).train()
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.weight", "1.bias", "3.weight", "3.bias"}


@pytest.mark.parametrize(
    "wrong", [{"log_every": 0}, {"save_every": 0}, {"warmup_steps": -1}, {"ema_decay": 1.0}, {"clip_norm": 0.0}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LoopSettings.model_validate({"steps": 1, "learning_rate": 0.1} | wrong)


def test_the_averaged_weights_are_what_comes_out(unbroken: Run) -> None:
    wanted = {name: value.clone() for name, value in unbroken.average.average.items()}
    own = {name: value.clone() for name, value in unbroken.module.state_dict().items()}
    with unbroken.average.applied_to(unbroken.module):
        assert all(torch.equal(value, wanted[name]) for name, value in unbroken.module.named_parameters())
    assert all(torch.equal(value, own[name]) for name, value in unbroken.module.state_dict().items())
    module = unbroken.averaged()
    assert all(torch.equal(value, wanted[name]) for name, value in module.named_parameters())
    assert any(not torch.equal(value, own[name]) for name, value in module.state_dict().items())


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of 3"):
        run(tmp_path, module=small_module(), settings=SETTINGS.model_copy(update={"accumulate": 3}))


def test_a_frozen_network_that_would_learn_is_refused(tmp_path: Path) -> None:
    teacher = small_module(1)
    module = small_module()

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        return {"first": (module(batch["pictures"]) - teacher(batch["pictures"])).square().mean()}

    with pytest.raises(ConfigError, match=r"Sequential is frozen, but its 0\.weight asks for a gradient"):
        Run(tmp_path / "a", Task(module, loss, frozen=[teacher]), SETTINGS).train()
    teacher.requires_grad_(False).zero_grad()
    Run(tmp_path / "b", Task(module, loss, frozen=[teacher]), SETTINGS).train()


def test_a_trained_parameter_out_of_reach_is_refused(tmp_path: Path) -> None:
    module = nn.ModuleDict({"used": small_module(), "unused": nn.Linear(1, 1)})
    with pytest.raises(ConfigError, match=r"the loss does not reach unused\.weight"):
        Run(tmp_path, Task(module, exchange(module["used"])), SETTINGS).train()


def test_the_state_is_readable_as_plain_tensors(unbroken: Run) -> None:
    state = torch.load(unbroken.folder / "state.pt", weights_only=True)
    assert state["step"] == SETTINGS.steps
    assert set(state) == {"step", "seconds", "window", "module", "optimizer", "average"}


def test_clipping_can_be_switched_off_in_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("steps = 1\nlearning_rate = 0.1\n")
    settings = LoopSettings.read(recipe, overrides=["clip_norm=inf", "trackers=[]"])
    settings.write(recipe)
    settings = LoopSettings.read(recipe)
    assert settings.clip_norm == float("inf")
    module = nn.Linear(1, 1, bias=False)

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        return {"steep": 1000 * module.weight.sum()}

    one = Run(tmp_path / "run", Task(module, loss), settings)
    one.train()
    assert one.optimizer.state_dict()["state"][0]["exp_avg"].item() == pytest.approx(100.0)
