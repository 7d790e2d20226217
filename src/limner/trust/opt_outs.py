"""People who do not want to be drawn: a list of embeddings in named feature spaces, without names or pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from limner.core.errors import CheckpointError, ConfigError, RefusedError
from limner.core.files import replacing
from limner.trust import audit
from limner.trust.folder import private_folder

NAME = "opt-outs.npz"


def opt_out(embeddings: Mapping[str, np.ndarray]) -> int:
    """Put a person on the list.

    Args:
        embeddings: by feature space, float32 vectors of length 1.

    Returns:
        How many people are on the list now.

    Raises:
        ConfigError: an embedding is no vector of length 1.
        InputError: the list cannot be written.
    """
    people = dict(opted_out())
    for space, vector in embeddings.items():
        if vector.ndim != 1 or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            raise ConfigError(f"the embedding in {space} is {vector.shape}, expected a vector of length 1")
        row = vector[None].astype(np.float32)
        people[space] = np.concatenate([people[space], row]) if space in people else row
    with replacing(_path()) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **people)
    count = max((len(rows) for rows in people.values()), default=0)
    audit.record("opted out", people=count)
    return count


def opted_out() -> Mapping[str, np.ndarray]:
    """The list: by feature space, float32 (people, channels).

    Raises:
        CheckpointError: the file is broken.
    """
    path = _path()
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as content:
            return {space: content[space] for space in content.files}
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path}, the list of people who opted out, is broken ({error}); restore it") from error


def refuse_opted_out(embeddings: Mapping[str, np.ndarray], thresholds: Mapping[str, float]) -> None:
    """Refuse a person who is on the list.

    Args:
        embeddings: of the person, by feature space, vectors of length 1.
        thresholds: by feature space, the cosine from which on two pictures show one person.

    Raises:
        RefusedError: somebody on the list looks the same; or none of the spaces on the list can be compared.
    """
    people = opted_out()
    if not people:
        return
    compared = people.keys() & embeddings.keys() & thresholds.keys()
    if not compared:
        raise RefusedError(
            f"people opted out in {', '.join(people)}, and this identity has {', '.join(embeddings) or 'nothing'}; "
            "make it again from the photos"
        )
    for space in sorted(compared):
        if float((people[space] @ embeddings[space]).max()) >= thresholds[space]:
            raise RefusedError("this person looks like somebody who opted out of being drawn; choose another person")


def _path() -> Path:
    return private_folder() / NAME
