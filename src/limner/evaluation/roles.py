"""Who may judge: a recogniser that taught, filtered or conditioned a model says nothing about it as its judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from limner.core.checkpoint import Header
from limner.core.errors import ConfigError


@dataclass(frozen=True)
class TookPart:
    """Recognisers that took part in training something.

    Attributes:
        spaces: feature space -> what it did, for people.
        silent: files that do not say which recognisers took part, so that there may have been more.
    """

    spaces: Mapping[str, str] = field(default_factory=dict)
    silent: Sequence[str] = ()


def took_part(
    headers: Mapping[str, Header], shard_spaces: Sequence[str] = (), *, guides: Sequence[str] = ()
) -> TookPart:
    """Gather the roles from the headers of all files of weights, by name, and from the shards' embeddings.

    Args:
        headers: by the name of the file.
        shard_spaces: feature spaces whose embeddings the training shards hold; they filtered the data.
        guides: feature spaces whose recognisers look on while pictures are drawn.
    """
    spaces: dict[str, str] = {}

    def add(space: str, role: str) -> None:
        known = spaces.get(space)
        if known is None or role not in known:
            spaces[space] = role if known is None else f"{known}; {role}"

    for space in shard_spaces:
        add(space, "filtered the training data")
    for header in headers.values():
        if header.feature_space:
            add(header.feature_space, "encoder")
        for space, role in header.recognizers.items():
            add(space, role)
    for space in guides:
        add(space, "guided the drawing")
    return TookPart(spaces, tuple(name for name, header in headers.items() if not header.recognizers))


def require_independent(judge: str, taking_part: TookPart) -> None:
    """Refuse a judge that took part in training.

    Args:
        judge: its feature space.

    Raises:
        ConfigError: it did.
    """
    if judge in taking_part.spaces:
        raise ConfigError(
            f"the recogniser {judge!r} cannot judge this model, because it took part in its training "
            f"({taking_part.spaces[judge]}): a model scores high with the recogniser it was made with, whatever it "
            "draws. Choose another judge"
        )
