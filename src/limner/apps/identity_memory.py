"""People whose photos were analysed before."""

import hashlib
import os
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from limner.core.memory import Memory
from limner.identity.enrolment import Photo
from limner.identity.identity import Identity


class IdentityMemory(Memory[Identity]):
    """Identities by the content of their photos, which is not kept itself.

    Args:
        capacity: so many people are kept.
    """

    def __init__(self, capacity: int = 32) -> None:
        super().__init__(capacity)

    def enrolled(
        self, photos: Photo | Sequence[Photo], circumstances: Sequence[object], enrol: Callable[[], Identity]
    ) -> Identity:
        """The person in these photos, learnt by ``enrol`` where the same photos were not under the same circumstances.

        Args:
            circumstances: all that the identity depends on besides the photos; told apart by what they print.
        """
        name = _name(photos, circumstances)
        known = None if name is None else self.recall(name)
        if known is not None:
            return known
        made = enrol()
        if name is not None:
            self.keep(name, made)
        return made


def _name(photos: Photo | Sequence[Photo], circumstances: Sequence[object]) -> bytes | None:
    """None if a photo cannot be read, which is for enrolment to tell."""
    alone = isinstance(photos, str | bytes | os.PathLike | Image.Image | np.ndarray)
    digest = hashlib.blake2b(repr(circumstances).encode(), digest_size=16)
    try:
        for photo in [photos] if alone else photos:
            content = _content(photo)
            digest.update(len(content).to_bytes(8) + content)
    except OSError:
        return None
    return digest.digest()


def _content(photo: Photo) -> bytes:
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, np.ndarray):
        return repr((photo.shape, photo.dtype)).encode() + photo.tobytes()
    if isinstance(photo, Image.Image):
        return repr((photo.size, photo.mode)).encode() + photo.getexif().tobytes() + photo.tobytes()
    with open(photo, "rb") as file:
        return file.read()
