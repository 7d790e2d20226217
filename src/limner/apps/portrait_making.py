"""What everybody may know about a portrait: model, adapter, terms and settings; not the sentence, not the person."""

from pathlib import Path
from typing import TYPE_CHECKING

from limner.core.checkpoint import read_header
from limner.trust.making import Making

if TYPE_CHECKING:
    from limner.apps.assembly import Assembly
    from limner.apps.settings import PortraitSettings

PUBLIC = ("num_steps", "guidance_scale", "adapter_scale")


def portrait_making(assembly: "Assembly", settings: "PortraitSettings", seed: int) -> Making:
    """The making of one portrait."""
    adapter = assembly.adapter if settings.adapter_scale > 0 else None
    named = None if adapter is None else f"{read_header(adapter.path).system}, sha256 {adapter.sha256[:12]}"
    public = {name: value for name, value in settings.model_dump().items() if name in PUBLIC}
    return Making(
        kind="created",
        model=_public_name(assembly.base.name),
        adapter=named,
        licences=assembly.licences,
        parameters={"seed": seed, **public},
    )


def _public_name(model: str) -> str:
    """A folder's last name only: where it lies on somebody's disk is nobody's business."""
    return Path(model).name if Path(model).exists() else model
