"""What a kind of job is, and which there are: every module of ``kinds`` brings one, named ``KIND``.

A new kind is one file: a request (pydantic, its ``kind`` a literal), the plan that the queue needs, and the work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from pydantic import BaseModel

from limner.apps.service import kinds
from limner.apps.service.job import Job
from limner.apps.service.settings import ServiceSettings
from limner.core.errors import LimnerError

if TYPE_CHECKING:
    from limner.apps.service.bench import Bench

Step = Callable[[int, int], None]
"""Told how many steps are done, of how many; raises when the work is to stop."""


@dataclass(frozen=True)
class Plan:
    """What the queue must know of a request.

    Attributes:
        model: the name of the model that does it.
        group: requests of one kind with the same group may share a forward pass.
        rows: pictures it adds to one.
        cost: work, in whatever unit all kinds share: one denoising step of one picture of 512 x 512.
        people: identities that must be ready first; one may be named several times.
        uploads: pictures that it uses up.
    """

    model: str
    group: str
    rows: int
    cost: float
    people: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        record: writes the result into the tables, in the transaction that ends the job.
        discard: removes what was written beforehand if that transaction does not take place.
        problem: why there is no result.
    """

    record: Callable[[sa.Connection], None] = field(default=lambda _: None)
    discard: Callable[[], None] = _nothing
    problem: LimnerError | None = None


class JobKind(Protocol):
    """One thing that the service can do.

    Attributes:
        name: what clients write as ``kind``.
        request: what else they write; None if clients do not hand in such jobs themselves.
    """

    name: str
    request: type[BaseModel] | None

    def plan(self, request: Any, settings: ServiceSettings) -> Plan:
        """Look at a request of the type ``request``; nothing heavy is loaded here.

        Raises:
            LimnerError: the service does not accept it; the message says why.
        """
        ...

    def work(self, jobs: Sequence[Job], bench: "Bench", step: Step) -> list[Outcome]:
        """Do jobs of one group together; one outcome each."""
        ...


@cache
def job_kinds() -> dict[str, JobKind]:
    """Every kind by its name."""
    names = sorted(module.name for module in iter_modules(kinds.__path__))
    found = [import_module(f"{kinds.__name__}.{name}").KIND for name in names]
    return {kind.name: kind for kind in found}
