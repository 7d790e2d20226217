"""What a recogniser says beside who it is: the directions in which pictures of one person differ.

A recogniser is trained not to care for smile, head direction and light, and still tells of them: from the embedding of
the miniature's guide, and from the patch tokens of its encoder, a linear probe reads them well (docs/training-log.md).
Who copies an embedding, or draws by tokens, copies these, too. So the few directions in which one person's pictures
differ most are left out. Nuisance attribute projection, Solomonoff, Campbell and Boardman, "Advances in channel
compensation for SVM speaker recognition", ICASSP 2005.

What is measured can be left out by name. An attribute that varies with none of the features is told by no linear
reading of them (Belrose and others, "LEACE", NeurIPS 2023), and to that end it is enough to leave out the one direction
of its covariances with them (Shao, Ziser and Cohen, "Gold doesn't always glitter", EACL 2023).
"""

import os
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from limner.core.checkpoint import Header, load_checkpoint, save_checkpoint
from limner.core.errors import CheckpointError, ConfigError, FeatureSpaceError

SYSTEM, VERSION = "nuisance-directions", "1"


def nuisance_directions(embeddings: Tensor, people: Sequence[str], count: int) -> Tensor:
    """Orthonormal ``(count, dim)``, the one in which people's pictures differ most first.

    Args:
        embeddings: ``(pictures, dim)``, unit vectors or patch tokens laid end to end.
        people: whose picture each is.
        count: 0 or more, fewer than ``dim``.

    Raises:
        ConfigError: nobody has two pictures, or too many directions.
    """
    if not 0 <= count < embeddings.shape[1]:
        raise ConfigError(f"{count} nuisance directions of {embeddings.shape[1]}: name at least 0 and fewer than all")
    if count == 0:
        return embeddings.new_empty(0, embeddings.shape[1])
    numbers = {person: number for number, person in enumerate(dict.fromkeys(people))}
    whose = torch.tensor([numbers[person] for person in people])
    sizes = whose.bincount()
    several = sizes[whose] > 1
    if not several.any():
        raise ConfigError(
            "nuisance directions are those in which one person's pictures differ, and nobody has two pictures; name 0 "
            "directions, or add pictures of the same people"
        )
    sums = torch.zeros(len(numbers), embeddings.shape[1], dtype=torch.float64).index_add_(0, whose, embeddings.double())
    apart = (embeddings.double() - (sums / sizes[:, None])[whose])[several]
    # The mean is of the very pictures: unbiased with n - 1, so that who has two pictures counts as who has ten.
    apart *= (sizes / (sizes - 1))[whose[several]].sqrt()[:, None]
    if count <= len(apart) - int((sizes > 1).sum()) < apart.shape[1]:
        # With fewer pictures than numbers the table of pictures is the smaller one, and tells the same directions.
        _, mixtures = torch.linalg.eigh(apart @ apart.T)
        return F.normalize(mixtures.flip(1)[:, :count].T @ apart, dim=1).to(embeddings.dtype)
    _, directions = torch.linalg.eigh(apart.T @ apart)
    return directions.flip(1)[:, :count].T.to(embeddings.dtype)


def telling_directions(
    embeddings: Tensor, measured: Mapping[str, Tensor], *, known: Sequence[Tensor] = (), besides: Tensor
) -> Tensor:
    """Orthonormal ``(attributes, dim)``, in which embeddings tell of what was measured.

    Args:
        embeddings: ``(pictures, dim)``, unit vectors or patch tokens laid end to end.
        measured: attribute -> ``(pictures,)``, in any unit; where a number is not finite the picture does not count.
        known: ``(pictures,)`` each, what may be told: as far as an attribute follows from it, it does not count. In
            pictures women smile more than men, and a smile left out whole would take gender with it.
        besides: orthonormal ``(count, dim)``, left out already; what is returned is orthogonal to them.

    Raises:
        ConfigError: an attribute does not differ from picture to picture, or there are too many for the directions.
    """
    if len(measured) > embeddings.shape[1] - len(besides):
        raise ConfigError(
            f"{len(measured)} attributes ({', '.join(measured)}) and {len(besides)} directions are to be left out of "
            f"{embeddings.shape[1]} numbers; name fewer"
        )
    if not measured:
        return embeddings.new_empty(0, embeddings.shape[1])
    numbers = torch.stack([*measured.values(), *known], dim=1).double()
    counts = numbers.isfinite().all(dim=1)
    told, numbers = embeddings[counts].double(), numbers[counts]
    for name, differs in zip(measured, (numbers != numbers[:1]).any(dim=0)[: len(measured)], strict=True):
        if not differs:
            raise ConfigError(
                f"{name!r} is the same in all {len(told)} pictures, so what tells of it cannot be found; add "
                "pictures, or leave it out"
            )
    told, numbers = told - told.mean(dim=0), numbers - numbers.mean(dim=0)
    apart, follows = numbers[:, : len(measured)], numbers[:, len(measured) :]
    apart = F.normalize(apart - follows @ torch.linalg.pinv(follows) @ apart, dim=0)
    together, before = apart.T @ told, besides.double()
    return torch.linalg.qr((together - together @ before.T @ before).T).Q.T.to(embeddings.dtype)


def without_directions(embeddings: Tensor, directions: Tensor) -> Tensor:
    """Unit vectors ``(rows, dim)`` that say nothing along orthonormal ``directions`` ``(count, dim)``."""
    return F.normalize(embeddings - embeddings @ directions.T @ directions, dim=1)


def save_nuisance(path: str | os.PathLike[str], directions: Tensor, *, feature_space: str, licence: str) -> None:
    """Write the directions ``(count, dim)`` of one feature space.

    Raises:
        InputError: the file cannot be written.
    """
    about = Header(system=SYSTEM, version=VERSION, feature_space=feature_space, licence=licence)
    save_checkpoint(path, {"directions": directions}, about)


def load_nuisance(path: str | os.PathLike[str], *, feature_space: str) -> Tensor:
    """The directions ``(count, dim)`` that :func:`save_nuisance` wrote.

    Raises:
        CheckpointError: the file is missing, broken or of another kind.
        FeatureSpaceError: they are of another recogniser.
    """
    tensors, header = load_checkpoint(path, expect_system=SYSTEM)
    if header.feature_space != feature_space:
        raise FeatureSpaceError(
            f"{path} holds directions of {header.feature_space!r}, but {feature_space!r} is asked; give its own"
        )
    if set(tensors) != {"directions"}:
        raise CheckpointError(f"{path} holds {', '.join(tensors)}, not directions alone; train the adapter again")
    return tensors["directions"]
