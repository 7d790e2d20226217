"""From a photo that stays to its record in a shard: name, split, age, licence and caption are filled in."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import TypeAdapter

from limner.core.images import read_image
from limner.data.attributes import Measurements
from limner.data.captions import describe
from limner.data.preparing.captioner import Captioner
from limner.data.preparing.outcome import Outcome
from limner.data.preparing.selection import Choice
from limner.data.record import FACTS, PICTURE, encode_facts
from limner.data.tar_samples import Sample

_NUMBERS = TypeAdapter(Measurements)


@dataclass(frozen=True, eq=False)
class FinishJob:
    """A photo that stays, with its pixels, and what was decided about it."""

    outcome: Outcome
    choice: Choice


def finish(job: FinishJob, captioner: Captioner, *, licence: str) -> Sample:
    """The finished record as members of a tar; the pixels are passed on as they are."""
    choice, facts = job.choice, job.outcome.record
    facts = facts | {
        "person": choice.person,
        "split": choice.split,
        "age_years": None if np.isnan(choice.age_years) else choice.age_years,
        "male": choice.male,
        "licence": licence,
        "caption": job.outcome.note or _caption(job, captioner),
    }
    return Sample(choice.key, job.outcome.parts | {FACTS: encode_facts(facts)})


def _caption(job: FinishJob, captioner: Captioner) -> str:
    """The sentence follows from the photo's key, not from when its turn comes."""
    numbers = _NUMBERS.validate_python(job.outcome.record["numbers"])
    traits = describe(numbers, age_years=job.choice.age_years, male=job.choice.male)
    seed = int.from_bytes(hashlib.sha256(job.choice.key.encode()).digest()[:7], "big")
    return captioner.caption(read_image(job.outcome.parts[PICTURE]), traits, torch.Generator().manual_seed(seed))
