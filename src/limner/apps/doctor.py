"""Examining an installation: packages, device, packaged weights, and what to do about what is wrong."""

import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import chain
from pathlib import Path

from limner.core.assets import WEIGHTS, Asset, packaged_assets
from limner.core.errors import CheckpointError

EMBEDDED = "miniature/"
"""Folder of the embedded model, without which Limner draws nothing on a fresh machine."""
_REINSTALL = "install Limner again, or fetch the whole repository"


@dataclass(frozen=True)
class Report:
    """An installation as it was found."""

    packages: list[tuple[str, str]]
    """Name and version of Python, Limner, its needs and extras; ``"missing"`` where it is not installed."""
    device: str
    assets: list[Asset]
    problems: list[str]
    """One sentence each, with what to do."""
    usable: bool
    """Whether the embedded model is whole."""


def examine(weights: Path = WEIGHTS) -> Report:
    """Look at everything; never raises for what it finds."""
    needed, extras = _requirements()
    problems = list(_package_problems(needed, extras))
    try:
        assets = packaged_assets(weights)
    except CheckpointError as error:
        assets = []
        problems.append(str(error))
    problems += [f"{asset.name} is {asset.state}; {_REINSTALL}" for asset in assets if not asset.whole]
    embedded = [asset for asset in assets if asset.name.startswith(EMBEDDED)]
    if not embedded:
        problems.append(f"the embedded model {EMBEDDED} is not packaged; {_REINSTALL}")
    names = dict.fromkeys(["limner", *needed, *chain.from_iterable(extras.values())])  # some are of several extras
    return Report(
        packages=[("python", platform.python_version())] + [(name, _version(name)) for name in names],
        device=_device(),
        assets=assets,
        problems=problems,
        usable=bool(embedded) and all(asset.whole for asset in embedded),
    )


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Names that Limner's own package metadata requires, and those of each extra for users."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for requirement in requires("limner") or ():
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if extra is None:
            needed.append(name)
        elif extra[1] != "dev":
            extras.setdefault(extra[1], []).append(name)
    return needed, extras


def _package_problems(needed: Sequence[str], extras: dict[str, list[str]]) -> Iterator[str]:
    missing = [name for name in needed if _version(name) == "missing"]
    if missing:
        yield f"needed but not installed: {', '.join(missing)}; run: pip install {' '.join(missing)}"
    for extra, names in extras.items():
        missing = [name for name in names if _version(name) == "missing"]
        if missing:
            yield f"the extra {extra!r} is not installed ({', '.join(missing)}); run: pip install 'limner[{extra}]'"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"CUDA, {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "MPS"
    return f"CPU, {torch.get_num_threads()} threads"
