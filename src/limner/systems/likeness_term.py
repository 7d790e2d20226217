"""A loss beside FACT's own: does the guide see the person in the picture that a prediction amounts to?

A picture under little noise tells the guide who it is whether or not the adapter helps, so the model goes there by
itself: from the picture under so much noise that only its layout is left, a few steps without gradient, one with it.
The guide's embedding of the predicted face is compared with what lies between that picture's and the centre of all of
the person's: the centre alone smiles as the person does on average, and so would what is drawn; the picture alone tells
less surely who it is. The gradient runs through recogniser, decoder and the last prediction.

The person's own picture under noise is an easier beginning than a drawing has: hair, skin and the shape of the head are
already right, where a drawing begins with what the seed laid out. So a row can be asked to show the person of another
row, of the same gender: its layout is then a stranger's.

Even so a guide tells of smile and head direction, and a face that is to please it gives up the smile that the prompt
asked for. The directions in which one person's pictures differ most are left out of the comparison.

As in PuLID (arXiv:2404.16022), with the feedback of ReFL (arXiv:2304.05977); ``fact.md`` has no such term.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.data.record import FaceRecord
from limner.identity.nuisance import nuisance_directions, without_directions
from limner.losses.likeness import likeness_loss
from limner.systems.contract import Batch, Plan
from limner.systems.descent import descent_timesteps
from limner.systems.predicted_faces import COUNTS, PredictedFaces

AIM, START, END = "likeness_aim", "likeness_start", "likeness_end"
SHOWN = "likeness_shown"
BEGINS, ENDS = (0.75, 0.9), (0.2, 0.7)
"""Where ways begin and end, as shares of the noise schedule: at 0.9 the layout is still the picture's, so that its
landmarks hold, and the person is not (table in docs/training-log.md)."""


class LikenessTerm:
    """The loss of a batch."""

    def __init__(
        self,
        guide: nn.Module,
        predicted: PredictedFaces,
        aims: Tensor,
        *,
        nuisance: Tensor,
        genders: Tensor,
        stranger_probability: float,
        steps: int,
        num_train_timesteps: int,
    ) -> None:
        """Freeze the guide.

        Args:
            guide: aligned faces ``(rows, 3, side, side)`` RGB in [-1, 1] -> unit vectors ``(rows, dim)``.
            predicted: where the faces are.
            aims: ``(records, dim)``, see :func:`likeness_aims`.
            nuisance: ``(directions, dim)`` that are not compared, see :func:`likeness_nuisance`; may be none.
            genders: ``(records,)``, equal where a face may be shown in another's picture.
            stranger_probability: of a row that is asked to show another row's person, in [0, 1].
            steps: of the model's own way, 1 or more.
            num_train_timesteps: of the noise schedule.
        """
        self.guide = guide.requires_grad_(False).eval()
        self.predicted, self.aims, self.nuisance = predicted, without_directions(aims, nuisance), nuisance
        self.genders, self.stranger_probability = genders, stranger_probability
        self.steps, self.num_train_timesteps = steps, num_train_timesteps

    def draw(self, rows: int, rng: torch.Generator) -> Plan:
        """Which rows are looked at, which show another row's person, and where their ways begin and end."""
        ways = {
            name: ((low + (high - low) * torch.rand(rows, generator=rng)) * self.num_train_timesteps).long()
            for name, (low, high) in ((START, BEGINS), (END, ENDS))
        }
        strangers = torch.rand(rows, generator=rng) < self.stranger_probability
        return self.predicted.draw(rows, rng) | ways | {"strangers": strangers}

    def load(self, plan: Plan) -> Batch:
        """What :meth:`loss` reads of a batch; a row without its face is not asked to show the person.

        ``likeness_shown`` ``(rows,)`` are the numbers of the rows whose face each row is to show.
        """
        places, record = self.predicted.load(plan), plan["record"]
        ways = {name: plan[name] for name in (START, END)}
        own = torch.arange(len(record))
        shown = torch.where(plan["strangers"], next_of_kind(self.genders[record]), own)
        counts = places[COUNTS] & plan["keep_face"]
        return places | ways | {COUNTS: counts, SHOWN: shown, AIM: self.aims[record[shown]]}

    def rows(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Numbers of the rows that count."""
        return self.predicted.rows(batch)

    def timesteps(self, batch: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """``(steps + 1, rows)``, where the model's own way begins, goes and ends."""
        return descent_timesteps(batch[START][rows], batch[END][rows], self.steps)

    def loss(self, latents: Tensor, batch: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Scalar.

        Args:
            latents: clean, as predicted at the end of the way, ``(len(rows), channels, height, width)``.
            batch: with what :meth:`load` gave.
            rows: numbers of the rows that count.
        """
        seen = self.guide(self.predicted.faces(latents, batch, rows))
        return likeness_loss(without_directions(seen, self.nuisance.to(seen.device)), batch[AIM][rows])


def next_of_kind(kinds: Tensor) -> Tensor:
    """``(rows,)`` -> for each row the number of the next one of its kind, begun again at the end; its own if alone."""
    following = torch.arange(len(kinds))
    for kind in kinds.unique():
        rows = (kinds == kind).nonzero()[:, 0]
        following[rows] = rows.roll(-1)
    return following


def likeness_aims(records: Iterable[FaceRecord]) -> Tensor:
    """``(records, dim)`` unit vectors, halfway between the guide's embedding of the record and the mean of those of
    its person."""
    sums: dict[str, np.ndarray] = {}
    own: list[np.ndarray] = []
    people: list[str] = []
    for record in records:
        own.append(record.guide_embedding)
        people.append(record.person)
        sums[record.person] = sums.get(record.person, 0) + record.guide_embedding
    centres = F.normalize(torch.from_numpy(np.stack([sums[person] for person in people])).float(), dim=1)
    return F.normalize(centres + torch.from_numpy(np.stack(own)).float(), dim=1)


def likeness_nuisance(records: Iterable[FaceRecord], count: int) -> Tensor:
    """``(count, dim)`` directions in which the guide's embeddings of one person's pictures differ most.

    Raises:
        ConfigError: see :func:`limner.identity.nuisance.nuisance_directions`.
    """
    pairs = [(record.person, record.guide_embedding) for record in records]
    embeddings = torch.from_numpy(np.stack([embedding for _, embedding in pairs])).float()
    return nuisance_directions(embeddings, [person for person, _ in pairs], count)
