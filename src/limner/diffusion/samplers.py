"""Samplers by short name, on a base's own noise schedule."""

from typing import Any

from limner.core.errors import ConfigError

SAMPLERS = {
    "dpm": "DPMSolverMultistepScheduler",
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
}
"""diffusers' class by name; "lcm" is for bases and LoRAs that were distilled for few steps."""

# Latents are not confined to [-1, 1]; PNDM's Runge-Kutta warm-up needs many steps, Stable Diffusion leaves it out.
_OPTIONS = {"ddim": {"clip_sample": False}, "pndm": {"skip_prk_steps": True}}


def require_sampler(name: str) -> None:
    """Refuse a name that is not there, without loading anything.

    Raises:
        ConfigError: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise ConfigError(f"the sampler {name!r} is unknown; choose one of {', '.join(SAMPLERS)}")


def new_sampler(base: Any, name: str | None = None) -> Any:
    """A fresh diffusers scheduler that fits a base.

    Args:
        base: the base's scheduler; it is only read.
        name: key of :data:`SAMPLERS`; the base's own kind if None.

    Raises:
        ConfigError: there is no such sampler.
    """
    import diffusers

    if name is None:
        return type(base).from_config(base.config)
    require_sampler(name)
    return getattr(diffusers, SAMPLERS[name]).from_config(base.config, **_OPTIONS.get(name, {}))
