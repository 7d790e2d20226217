"""accelerate's part of a run: precision, trackers, and what a process that trains is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import tracking
from accelerate.state import AcceleratorState
from accelerate.utils import LoggerType
from torch import nn

from limner.core.errors import ConfigError, MissingExtraError
from limner.systems.contract import Batch, LossTerms
from limner.training import engine
from limner.training.engine import main_process_first, trackers_of
from limner.training.loop import LoopSettings, Run
from tests.training.tasks import Stopped, Task, exchange, small_module, task

SETTINGS = LoopSettings(steps=4, learning_rate=0.05, warmup_steps=1, decay_steps=1, log_every=2, save_every=2)


class Diary(tracking.GeneralTracker):
    """Stands in for TensorBoard."""

    name = "tensorboard"
    requires_logging_directory = True
    main_process_only = True
    last: "Diary"

    def __init__(self, run_name: str, logging_dir: Any = None, **kwargs: Any) -> None:
        super().__init__()
        self.folder, self.rows, self.config, self.closed = logging_dir, [], {}, False
        Diary.last = self

    @property
    def tracker(self) -> "Diary":
        return self

    def store_init_configuration(self, values: dict) -> None:
        self.config = values

    def log(self, values: dict, step: int | None = None, **kwargs: Any) -> None:
        self.rows.append((step, values))

    def finish(self) -> None:
        self.closed = True


@pytest.fixture
def tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_available_trackers", [LoggerType.TENSORBOARD])
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "tensorboard", Diary)


@pytest.fixture
def fresh_accelerate() -> Iterator[None]:
    """accelerate keeps one precision for the life of a process."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def test_tensorboard_is_told_where_it_is_installed(tmp_path: Path, tensorboard: None) -> None:
    Run(tmp_path, task(small_module()), SETTINGS.model_copy(update={"weights": {"first": 2.0}})).train()
    diary = Diary.last
    assert [step for step, _ in diary.rows] == [2, 4]
    assert set(diary.rows[0][1]) == {"first", "second", "gradient_norm"}
    assert diary.config["steps"] == 4
    assert diary.config["weights.first"] == 2.0
    assert diary.closed
    assert Path(diary.folder) == tmp_path / "trackers"


def test_no_tracker_is_wanted(tmp_path: Path, tensorboard: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Diary, "__init__", lambda *_, **__: pytest.fail("was started"))
    Run(tmp_path, task(small_module()), SETTINGS.model_copy(update={"trackers": ()})).train()


def test_a_tracker_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_available_trackers", [])
    assert trackers_of(SETTINGS) == []
    with pytest.raises(MissingExtraError, match="'tensorboard' is not installed; run: pip install tensorboard"):
        trackers_of(SETTINGS.model_copy(update={"trackers": ("tensorboard",)}))
    with pytest.raises(ConfigError, match=r"no tracker 'diary'; known are .*tensorboard"):
        trackers_of(SETTINGS.model_copy(update={"trackers": ("diary",)}))


def test_mixed_precision_computes_in_half_and_keeps_whole_weights(tmp_path: Path, fresh_accelerate: None) -> None:
    module, seen = small_module(), set[torch.dtype]()

    def loss(batch: Batch, step: int) -> LossTerms:
        seen.add(module(batch["pictures"]).dtype)
        return exchange(module)(batch, step)

    settings = SETTINGS.model_copy(update={"mixed_precision": "bf16"})
    Run(tmp_path / "whole", Task(module, loss), settings).train()
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    with pytest.raises(Stopped):
        Run(tmp_path / "broken", task(small_module(), stop_at=3), settings).train()
    resumed = Run(tmp_path / "broken", task(small_module(1)), settings)
    resumed.train()
    assert all(torch.equal(value, resumed.module.state_dict()[name]) for name, value in module.state_dict().items())


def test_a_precision_that_the_device_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**settings: Any) -> None:
        raise ValueError("fp8 needs another device")

    monkeypatch.setattr(engine, "Accelerator", refuse)
    with pytest.raises(ConfigError, match=r"training\.mixed_precision is 'fp16': fp8 needs another device"):
        Run(tmp_path, task(small_module()), SETTINGS.model_copy(update={"mixed_precision": "fp16"}))


def test_frozen_networks_are_placed_before_the_first_step(tmp_path: Path) -> None:
    teacher = nn.Linear(1, 1).double().requires_grad_(False)
    Run(tmp_path, Task(small_module(), exchange(small_module()), frozen=[teacher]), SETTINGS)
    assert teacher.weight.dtype == torch.float32


def test_a_single_process_is_the_main_one() -> None:
    with main_process_first() as writes:
        assert writes


def test_runs_of_one_process_may_differ_in_precision(tmp_path: Path, fresh_accelerate: None) -> None:
    """As the text encoder's lesson and the base do, where only the recipe's own run is asked to compute in bfloat16."""
    for number, precision in enumerate((None, "bf16", "no")):
        run = Run(
            tmp_path / str(number), task(small_module()), SETTINGS.model_copy(update={"mixed_precision": precision})
        )
        assert run.accelerator.mixed_precision == (precision or "no")
        run.train()
