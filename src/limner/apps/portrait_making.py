"""What everybody may know about a portrait: model, adapter, terms and settings; not the sentence, not the person."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limner.core.checkpoint import read_header
from limner.core.images import encode_png
from limner.identity.enrolment import Photo
from limner.trust.making import Kind, Making, Source
from limner.trust.provenance import mime_of

if TYPE_CHECKING:
    from limner.apps.assembly import Assembly
    from limner.apps.settings import Dials

PUBLIC = ("num_steps", "guidance_scale", "adapter_scale")


def portrait_making(
    assembly: "Assembly", settings: "Dials", seed: int, *, kind: Kind = "created", also: Sequence[str] = ()
) -> Making:
    """The making of one picture; ``also`` are the licence records of what took part besides the model."""
    adapter = assembly.adapter if settings.adapter_scale > 0 else None
    named = None if adapter is None else f"{read_header(adapter.path).system}, sha256 {adapter.sha256[:12]}"
    public = {name: value for name, value in settings.model_dump().items() if name in PUBLIC}
    return Making(
        kind=kind,
        model=assembly.base.public_name,
        adapter=named,
        licences=(*assembly.licences_of(settings), *also),
        parameters={"seed": seed, **public},
    )


def source_of(template: Photo, picture: np.ndarray) -> Source:
    """The template of a composite, as the manifest names it; ``picture`` is what was read of it.

    Only a file's own bytes can hold a manifest of its own, and of a file only formats that C2PA knows.
    """
    data = template if isinstance(template, bytes) else _bytes_of(template)
    mime = None if data is None else mime_of(data)
    if data is None or mime is None:
        return Source(encode_png(picture), "image/png")
    return Source(data, mime)


def _bytes_of(template: Photo) -> bytes | None:
    return Path(template).read_bytes() if isinstance(template, str | os.PathLike) else None
