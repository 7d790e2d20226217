"""Limner keeps a person's identity while a generative model changes the rest of the picture.

``FaceAdapter``, ``Identity`` and ``Studio`` are loaded when they are first asked for, so that importing ``limner``
costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limner.apps.face_adapter import FaceAdapter
    from limner.apps.studio import Studio
    from limner.identity.identity import Identity

__all__ = ["FaceAdapter", "Identity", "Studio"]

_HOMES = {
    "FaceAdapter": "limner.apps.face_adapter",
    "Identity": "limner.identity.identity",
    "Studio": "limner.apps.studio",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'limner' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
