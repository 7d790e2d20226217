"""Drawing in a few steps, with the LoRA that a base brings for it."""

from typing import Any

from limner.apps.bases import Base
from limner.core.checkpoint import read_header
from limner.core.errors import CheckpointError, ConfigError

FAST_FILE = "few-steps.safetensors"
"""Where a miniature's folder keeps its LoRA for few steps."""
STEPS = "steps"
"""Where its header says how many it is distilled for, unguided: guidance is in its weights."""


def fast_settings(base: Base) -> dict[str, Any]:
    """What ``fast`` sets, by name; see :data:`limner.apps.settings.SET_BY_FAST`.

    Raises:
        ConfigError: the base brings no such LoRA.
        CheckpointError: it does not say for how many steps it was made.
    """
    path = base.own(FAST_FILE)
    if path is None:
        raise ConfigError(
            f"{base.public_name} brings nothing to draw in few steps with; leave fast (--fast) out, name a LoRA made "
            "for it (--lora, --scheduler lcm, --steps 4, --guidance 1), or train one for a miniature: limner train "
            "recipes/miniature-few-steps.toml"
        )
    steps = read_header(path).config.get(STEPS)
    if not isinstance(steps, int) or steps < 1:
        raise CheckpointError(
            f"{path} does not say in how many steps it draws; train it again: limner train "
            "recipes/miniature-few-steps.toml"
        )
    return {
        "lora": path,
        "lora_weight": 1.0,
        "num_steps": steps,
        "guidance_scale": 1.0,
        "scheduler": "ddim",
    }


def fast_licences(base: Base) -> tuple[str, ...]:
    """Licence records of what takes part then."""
    path = base.own(FAST_FILE)
    return () if path is None else (read_header(path).licence,)
