"""accelerate's part of a run: device, precision, processes, trackers. Everything else about them is its own affair.

FSDP and DeepSpeed are switched on by accelerate's own configuration (``accelerate config``, ``accelerate launch``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import (
    DistributedType,
    GradientAccumulationPlugin,
    ProjectConfiguration,
    parse_flag_from_env,
)
from torch import Tensor, nn

from limner.core.errors import ConfigError, MissingExtraError
from limner.systems.contract import Batch, LossTerms, Trainable
from limner.training.settings import LoopSettings

SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)
"""Ways of training in which no process holds the whole state."""
DEFAULT_TRACKER = "tensorboard"


class StepModule(nn.Module):
    """The loss as a module, because processes share gradients through the module they wrap."""

    def __init__(self, trainable: Trainable) -> None:
        super().__init__()
        self.trained = trainable.module
        self._trainable = trainable

    def forward(self, batch: Batch, step: int) -> LossTerms:
        return self._trainable.loss(batch, step)


def make_accelerator(settings: LoopSettings, folder: Path) -> Accelerator:
    """The accelerator of one run; its trackers write below ``folder``.

    Raises:
        ConfigError: there is no such tracker, or the device cannot compute in the precision asked for.
        MissingExtraError: the tracker's package is not installed.
    """
    trackers: list[Any] = trackers_of(settings)
    # accelerate keeps the first run's precision for the whole process and refuses another; ours run in turn.
    AcceleratorState._reset_state()
    try:
        return Accelerator(
            mixed_precision=settings.mixed_precision,
            gradient_accumulation_plugin=GradientAccumulationPlugin(
                num_steps=settings.accumulate, sync_with_dataloader=False
            ),
            log_with=trackers or None,
            project_config=ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder / "trackers")),
            step_scheduler_with_optimizer=False,
        )
    except ValueError as error:
        raise ConfigError(f"training.mixed_precision is {settings.mixed_precision!r}: {error}") from error


def tell_deepspeed(accelerator: Accelerator, settings: LoopSettings, rows: int) -> None:
    """What DeepSpeed's own configuration must say; does nothing without DeepSpeed.

    Args:
        rows: that a process computes at once.
    """
    if accelerator.distributed_type != DistributedType.DEEPSPEED:
        return
    plugin = accelerator.state.deepspeed_plugin
    assert plugin is not None
    plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = rows
    plugin.deepspeed_config["gradient_clipping"] = settings.clip_norm


def trackers_of(settings: LoopSettings) -> list[str]:
    """The trackers a run reports to.

    Raises:
        ConfigError: there is no such tracker.
        MissingExtraError: a tracker that the recipe names is not installed.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    installed = [str(name.value) for name in get_available_trackers()]
    if settings.trackers is None:
        return [name for name in installed if name == DEFAULT_TRACKER]
    for name in settings.trackers:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ConfigError(f"there is no tracker {name!r}; known are {', '.join(map(str, LOGGER_TYPE_TO_CLASS))}")
        if name not in installed:
            raise MissingExtraError(
                f"the tracker {name!r} is not installed; run: pip install {name}, or set training.trackers=[]"
            )
    return list(settings.trackers)


def compute_dtype(accelerator: Accelerator) -> torch.dtype:
    """What frozen networks compute in: half precision on a GPU if the run is mixed, or else float32."""
    if accelerator.device.type != "cuda":
        return torch.float32
    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(accelerator.mixed_precision, torch.float32)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device; a pinned one travels while the device computes."""
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}


def mean_over_processes(accelerator: Accelerator, numbers: dict[str, Tensor]) -> dict[str, float]:
    """The same means in every process, fetched from the device in one go."""
    stacked = torch.stack([value.detach().float().reshape(()) for value in numbers.values()])
    if accelerator.num_processes > 1:
        stacked = accelerator.reduce(stacked, reduction="mean")
    assert isinstance(stacked, Tensor)
    return dict(zip(numbers, stacked.tolist(), strict=True))


def gathered(accelerator: Accelerator, model: nn.Module) -> dict[str, Tensor]:
    """The trained weights from all processes, whole, on the CPU of the main one; ``model`` is a prepared
    :class:`StepModule`."""
    whole: dict[str, Any] = accelerator.get_state_dict(model)
    own = [name for name in whole if name.startswith("trained.")]
    return {name.removeprefix("trained."): whole[name].cpu() for name in own}


class Trackers:
    """accelerate's trackers, started with the first number: a run without them loads nothing."""

    def __init__(self, accelerator: Accelerator, settings: LoopSettings) -> None:
        self.accelerator, self.settings = accelerator, settings
        self.started = False

    def log(self, step: int, numbers: dict[str, float]) -> None:
        """Hand on the numbers of a step."""
        if not self.accelerator.log_with:
            return
        if not self.started:
            self.accelerator.init_trackers("limner", config=_flat(self.settings.model_dump(mode="json")))
            self.started = True
        self.accelerator.log(numbers, step=step)

    def finish(self) -> None:
        """Have everything written; the processes stay joined, unlike after ``end_training``."""
        for tracker in self.accelerator.trackers if self.started else ():
            tracker.finish()
        self.started = False


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, int | float | str]:
    flat: dict[str, int | float | str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, int | float | str) else str(value)
    return flat


@contextmanager
def main_process_first() -> Iterator[bool]:
    """A block that the main process runs before all others, so that they find what it wrote; gives whether this is it.

    Makes the processes known to each other, as the :class:`Accelerator` of a run does later.
    """
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    with state.main_process_first():
        yield state.is_main_process
