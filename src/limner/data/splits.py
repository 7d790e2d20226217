"""Which people are never trained on: decided by the person's name alone, so it stays as people come and go."""

import hashlib
from typing import Literal

Split = Literal["train", "validation"]
VALIDATION_SHARE = 1 / 16


def split_of(person: str, *, validation_share: float = VALIDATION_SHARE) -> Split:
    """The split of everything that shows ``person``; about ``validation_share`` of all names fall to validation."""
    return "validation" if share_of(person) < validation_share else "train"


def share_of(name: str) -> float:
    """A number in [0, 1) that follows from the name and from nothing else."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
