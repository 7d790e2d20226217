"""How long a run is, how fast it learns, and what it writes."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from limner.core.config import Config


class LoopSettings(Config):
    """Settings of the loop, the same for every system.

    Attributes:
        steps: optimizer steps; a finished run goes on when this is raised.
        learning_rate: its highest value.
        learning_rate_factors: multiply it for parameters whose name holds the key, such as ``alpha`` for gates.
        warmup_steps: steps of the linear rise to it.
        decay_steps: last steps, in which it falls linearly to 0; 0 for none.
        weight_decay: of matrices and filters; biases, norms and gates are spared.
        clip_norm: longest gradient; a longer one is shortened to it. ``inf`` for no clipping.
        ema_decay: of the moving average of the trained weights, which is what is exported; 0 for none.
        seed: of everything random.
        accumulate: parts that each process computes its rows in, one after the other, to save memory; the batch of the
            recipe is that of all processes and parts together.
        mixed_precision: what the networks compute in; master weights stay float32. None for what ``accelerate launch``
            says, which without it is float32.
        workers: processes that load batches; 0 for none beside the one that trains.
        weights: multiplies loss terms by name; 1 where not said.
        weight_ramps: share of the run over which a term's weight rises linearly from 0 to its value.
        log_every: steps between rows of the log; a row holds means since the last one.
        save_every: steps between writings of what is needed to go on.
        inspect_every: steps between sample pictures and FAIR ratios; 0 for never.
        trackers: names of accelerate's trackers; None for TensorBoard where it is installed.
    """

    steps: PositiveInt
    learning_rate: PositiveFloat
    learning_rate_factors: Mapping[str, PositiveFloat] = Field(default_factory=dict)
    warmup_steps: NonNegativeInt = 200
    decay_steps: NonNegativeInt = 1000
    weight_decay: NonNegativeFloat = 0.01
    clip_norm: PositiveFloat = 1.0
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    seed: NonNegativeInt = 0
    accumulate: PositiveInt = 1
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None
    workers: NonNegativeInt = 0
    weights: Mapping[str, float] = Field(default_factory=dict)
    weight_ramps: Mapping[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    log_every: PositiveInt = 20
    save_every: PositiveInt = 250
    inspect_every: NonNegativeInt = 0
    trackers: tuple[str, ...] | None = None

    def weight_of(self, term: str, step: int) -> float:
        """What a loss term is multiplied by at a step."""
        weight = self.weights.get(term, 1.0)
        rise = self.weight_ramps.get(term, 0.0) * self.steps
        return weight * min(step / rise, 1.0) if rise else weight

    def of_length(self, share: float) -> "LoopSettings":
        """The same run in ``share`` of its steps: everything that is counted in steps shrinks or grows alike."""
        counted = {
            name: round(getattr(self, name) * share) for name in ("warmup_steps", "decay_steps", "inspect_every")
        }
        ema = {"ema_decay": round(self.ema_decay ** (1 / share), 6)}  # averages over the same share of the run
        return self.model_copy(update=counted | ema | {"steps": max(round(self.steps * share), 1)})


def length_overrides(config: Config, share: float, within: str = "") -> list[str]:
    """Overrides that change the length of every run in a recipe, however deep, see :meth:`LoopSettings.of_length`."""
    found = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, LoopSettings):
            other = value.of_length(share)
            changed = (key for key in type(value).model_fields if getattr(value, key) != getattr(other, key))
            found += [f"{within}{name}.{key}={getattr(other, key)}" for key in changed]
        elif isinstance(value, Config):
            found += length_overrides(value, share, f"{within}{name}.")
    return found
