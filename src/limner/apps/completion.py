"""Settings with everything filled in that was left open, by who has a say in it: fast drawing, dials, style, base."""

from typing import Any, TypeVar

from limner.adapters.condition import WHOLE_RUN
from limner.apps.assembly import Assembly
from limner.apps.dial_table import table_of
from limner.apps.fast import fast_settings
from limner.apps.settings import Dials, GroupSettings, PortraitSettings
from limner.apps.styles import find_style
from limner.core.errors import ConfigError

Completed = TypeVar("Completed", bound=Dials)


def completed(settings: Completed, assembly: Assembly, *, pixels: int) -> Completed:
    """See :meth:`limner.apps.studio.Studio.completed`; ``pixels`` is the side of the base's pictures."""
    base = assembly.base
    fast = fast_settings(base) if settings.fast else {}
    own: dict[str, Any] = {}
    if settings.style is not None:
        found = find_style(settings.style, settings.styles)
        found.require_base(base.kind)
        asked = settings.model_fields_set
        own = {name: value for name, value in found.recommended.items() if name not in asked}
        if fast and "lora" in own:
            raise ConfigError(
                f"the style {settings.style!r} has a LoRA of its own; leave fast (--fast) out, or take another style"
            )
    if settings.likeness is not None or settings.variety is not None:
        own |= table_of(assembly).settings(settings.likeness, settings.variety)
    own |= fast
    own.setdefault("guidance_scale", settings.guidance_scale or base.guidance_scale)
    # A run of one step begins and ends at its beginning: shown later is not shown.
    alone = own.get("num_steps", settings.num_steps) == 1
    own.setdefault("window", settings.window or (WHOLE_RUN if alone else base.window))
    if settings.identity_guidance is None:
        own["identity_guidance"] = _own_guidance(settings, own, assembly)
    if isinstance(settings, PortraitSettings):
        own |= {"height": settings.height or pixels, "width": settings.width or pixels}
    return settings.model_copy(update=own)


def _own_guidance(settings: Dials, own: dict[str, Any], assembly: Assembly) -> float:
    """The base's own identity guidance where it can be had: drawing fast is to be fast, and in a picture of several
    people the guide would not know whom to look for."""
    if settings.fast or isinstance(settings, GroupSettings):
        return 0.0
    guided = assembly.can_be_guided(own.get("scheduler", settings.scheduler))
    return assembly.base.identity_guidance if guided else 0.0
