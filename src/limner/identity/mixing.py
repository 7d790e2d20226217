"""A person between several: features of identities as a weighted mean, in every feature space they share."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from limner.core.consent import Consent
from limner.core.errors import ConfigError, FeatureSpaceError
from limner.identity.enrolment import LEAST_WEIGHT, agreed
from limner.identity.features import FaceFeatures
from limner.identity.identity import Identity


def mix(people: Sequence[Identity], weights: Sequence[float]) -> Identity:
    """Somebody who resembles several people.

    Of each person one set of patch tokens is made, the mean over the photos weighted by quality; faces are aligned, so
    the same patch shows the same part of everybody. Who has weight 0 does not count; one person alone is themselves.

    Args:
        weights: not negative, at least one above 0; only their ratios count.

    Raises:
        ConfigError: the weights are not one for each person, or out of range.
        FeatureSpaceError: the people have no feature space in common.
    """
    if len(weights) != len(people) or not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise ConfigError(
            f"{len(people)} people were given and the weights {list(weights)}; give one weight for each, not negative "
            "and not all 0"
        )
    taken = [(person, weight) for person, weight in zip(people, weights, strict=True) if weight]
    if len(taken) == 1:
        return taken[0][0]
    shares = np.array([weight for _, weight in taken]) / sum(weight for _, weight in taken)
    counted = [person for person, _ in taken]
    spaces = [space for space in counted[0].features if all(space in person.features for person in counted)]
    if not spaces:
        known = "; ".join(", ".join(person.features) for person in counted)
        raise FeatureSpaceError(
            f"these people have no feature space in common ({known}); make their identities with the same recognisers"
        )
    consents = [person.consent for person in counted if person.consent is not None]
    ages = [person.apparent_age for person in counted if person.apparent_age is not None]
    return Identity(
        {space: _mixed(space, counted, shares) for space in spaces},
        quality=_mean([person.quality.mean() for person in counted], shares)[None],
        pose=_mean([person.pose.mean(dim=0) for person in counted], shares)[None],
        consent=Consent.joined(consents) if consents else None,
        origin="mixed of " + "; ".join(person.origin or "an unnamed origin" for person in counted),
        licence=_joined([person.licence for person in counted]),
        apparent_age=min(ages) if len(ages) == len(counted) else None,
        glasses=agreed([person.glasses for person in counted]),
    )


def _mixed(space: str, people: Sequence[Identity], shares: np.ndarray) -> FaceFeatures:
    features = [person.features[space] for person in people]
    embedding = _mean([one.embedding for one in features], shares)
    tokens = None
    if all(one.tokens is not None for one in features):
        tokens = _mean([_of_all_photos(person, space) for person in people], shares)[None]
    return FaceFeatures(
        space=space,
        embedding=embedding / embedding.norm().clamp_min(1e-12),
        norm=float(np.dot([one.norm for one in features], shares)),
        tokens=tokens,
        licence=features[0].licence,
    )


def _of_all_photos(person: Identity, space: str) -> Tensor:
    """Patch tokens ``(patches, width)`` of a person, better photos counting more."""
    tokens = person.features[space].tokens
    assert tokens is not None
    weights = person.quality.clamp_min(LEAST_WEIGHT)
    return (tokens * (weights / weights.sum())[:, None, None].to(tokens)).sum(dim=0)


def _mean(parts: Sequence[Tensor], shares: np.ndarray) -> Tensor:
    weights = torch.as_tensor(shares, dtype=torch.float32)
    return torch.einsum("p,p...->...", weights, torch.stack(list(parts)).float())


def _joined(texts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
