"""What may be done with every network and data set that Limner uses; terms are inherited from what it was made of.

The records lie beside this file in ``licences.toml``. They say what was found, they are not legal advice.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from limner.core.errors import ConfigError, LicenceError

RECORDS_PATH = Path(__file__).with_name("licences.toml")


class Licence(BaseModel):
    """The terms of one network or data set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    kind: Literal["network", "dataset"]
    licence: str
    """SPDX identifier, or a few words when there is none."""
    source: str
    """Where it was taken from."""
    commercial: bool
    """Whether its own terms allow commercial use; ``refusal`` also asks its ancestors."""
    inherits: list[str] = []
    """Names of the records it was made from."""
    note: str = ""


def all_licences() -> Mapping[str, Licence]:
    """All records by name, in the order of the file."""
    return _records(RECORDS_PATH)


def licence_of(name: str) -> Licence:
    """The record of one network or data set.

    Raises:
        LicenceError: there is no such record.
    """
    records = all_licences()
    if name not in records:
        raise LicenceError(f"there is no licence record of {name!r}; known are {', '.join(records)}")
    return records[name]


def refusal(name: str) -> list[str]:
    """The chain from ``name`` to the nearest ancestor that refuses commercial use; empty when all permit it.

    Raises:
        LicenceError: there is no such record.
    """
    chains = [[name]]
    for chain in chains:
        record = licence_of(chain[-1])
        if not record.commercial:
            return chain
        chains += [[*chain, ancestor] for ancestor in record.inherits]
    return []


def require_commercial(names: Iterable[str]) -> None:
    """Stop unless everything named may be used commercially, ancestors included.

    Raises:
        LicenceError: something may not, with the chain that leads to the refusal; or a record is missing.
    """
    refused = [_explain(chain) for chain in map(refusal, names) if chain]
    if refused:
        raise LicenceError(f"not for commercial use: {'; '.join(refused)}; leave out --commercial for research use")


def _explain(chain: list[str]) -> str:
    path = " <- ".join(chain)
    return f"{path} ({licence_of(chain[-1]).licence})"


@cache
def _records(path: Path) -> Mapping[str, Licence]:
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
        records = {name: Licence.model_validate({"name": name, **row}) for name, row in rows.items()}
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error
    seen: set[str] = set()
    for record in records.values():
        if orphans := sorted(set(record.inherits) - seen):
            raise ConfigError(
                f"{path}: {record.name} inherits from {', '.join(orphans)}; no such record stands above it"
            )
        seen.add(record.name)
    return MappingProxyType(records)
