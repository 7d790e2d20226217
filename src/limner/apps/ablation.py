"""`limner ablate`: full FACT and what is left of it without its parts, trained alike and measured together.

A variant is a list of changes to one recipe: same base, same data, same steps, same seeds. Each is trained by the
function behind `limner train`, once for every seed of training; what is finished is not done again.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner.apps.assembly_training import read_recipe
from limner.apps.assembly_training import train as train_recipe
from limner.apps.evaluation_job import EvaluationJob, run_evaluation
from limner.apps.evaluation_job import Progress as PeopleProgress
from limner.apps.training_progress import Report
from limner.core.config import Config, peek
from limner.core.errors import CheckpointError, ConfigError
from limner.core.files import replacing

FULL = "fact"
"""The variant that the others are told apart from."""
FINISHED = "finished.json"
ADAPTER = Path("model", "adapter.safetensors")


@dataclass(frozen=True)
class Variant:
    """One row of the ablation: what it changes in the recipe, and in words."""

    name: str
    overrides: tuple[str, ...]
    about: str


VARIANTS = (
    Variant(FULL, (), "as the recipe says"),
    Variant("no-fair", ("training.weights.increment=0",), "no penalty on what is added beside the face"),
    Variant("no-shuffle", ("curriculum.shuffle_probability=0",), "the face always comes from the target itself"),
    Variant(
        "no-drop",
        ("curriculum.face_drop_probability=0", "curriculum.both_drop_probability=0"),
        "the face is never left out",
    ),
    Variant("global-tokens", ("fact.tokens=global",), "one mean vector of the face instead of its patches"),
    Variant("parallel-seam", ("fact.order=parallel",), "the text attention does not read what the face added"),
    Variant(
        "decoupled",
        ("fact.design=decoupled", "training.learning_rate_factors={projector=0.2}"),  # it has no gates
        "the rival: decoupled attention to one global vector",
    ),
)


@dataclass(frozen=True)
class Ground:
    """What all variants stand on: the frozen base and the face encoder, and the folder of runs they come from.

    ``folder`` is None where the recipe itself names base and encoder.
    """

    model: str
    encoder: Path
    folder: Path | None

    def mark(self) -> str:
        """What changes when base or encoder do, so that no variant of another base is taken for a finished one."""
        unet = Path(self.model) / "unet"
        weights = sorted(unet.glob("*.safetensors")) if unet.is_dir() else []
        return " ".join([self.model if not weights else "", *map(_sha256, [*weights, self.encoder])])


@dataclass(frozen=True)
class Trained:
    """A variant with the adapter that came of it; ``seed`` is the training's, None where there is one training only."""

    variant: Variant
    adapter: Path
    seed: int | None = None

    @property
    def method(self) -> str:
        """Its name in the report."""
        return self.variant.name if self.seed is None else f"{self.variant.name}-seed{self.seed}"


def chosen_variants(names: str | None) -> tuple[Variant, ...]:
    """Variants by name, separated by commas, full FACT always among them; all if None.

    Raises:
        ConfigError: there is none of a name.
    """
    if names is None:
        return VARIANTS
    wanted = {name.strip() for name in names.split(",")} | {FULL}
    unknown = wanted - {variant.name for variant in VARIANTS}
    if unknown:
        known = ", ".join(variant.name for variant in VARIANTS)
        raise ConfigError(f"there is no variant {', '.join(sorted(unknown))}; known are {known}")
    return tuple(variant for variant in VARIANTS if variant.name in wanted)


def seeds_named(text: str | None) -> tuple[int, ...]:
    """``"0,1"`` -> (0, 1); none for None.

    Raises:
        ConfigError: one is no number of 0 or more, or stands twice.
    """
    names = [] if text is None else [name.strip() for name in text.split(",")]
    if not all(name.isdecimal() for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"the seeds of training {text!r}: write different whole numbers of 0 or more, as 0,1")
    return tuple(int(name) for name in names)


def ground_of(recipe: Config, miniature: Path | None) -> Ground:
    """What a recipe's variants stand on.

    Args:
        miniature: folder of the miniature's runs; needed by a recipe that names no base.

    Raises:
        ConfigError: the recipe needs that folder.
        CheckpointError: base or encoder is not there yet.
    """
    base, encoder = getattr(recipe, "base", None), getattr(recipe, "encoder", None)
    if isinstance(base, str) and isinstance(encoder, Path):
        return Ground(base, encoder, None)
    if miniature is None:
        raise ConfigError("this recipe names no base; name the folder of the miniature's runs with --miniature")
    _require_base(miniature)
    return Ground(str(miniature / "model"), miniature / "model" / "encoder.safetensors", miniature)


def train_variants(
    recipe: Path,
    overrides: Sequence[str],
    variants: Sequence[Variant],
    *,
    ground: Ground,
    shards: Path,
    output: Path,
    report: Callable[[str], Report],
    seeds: Sequence[int] = (),
) -> list[Trained]:
    """Train what is not finished, one variant after the other.

    Args:
        overrides: changes to the recipe for all variants.
        ground: base and encoder that all variants share; only read.
        output: each variant has a folder of its own there, named after its settings too.
        report: by variant, what is told of its training.
        seeds: of training; every variant is trained with each. The recipe's own if there are none.

    Raises:
        ConfigError: the recipe or a change to it is wrong.
    """
    runs = [
        (seed, variant, read_recipe(recipe, [*overrides, *variant.overrides, *_seeded(recipe, seed)]))
        for seed in seeds or (None,)
        for variant in variants
    ]
    several = len(seeds) > 1
    return [
        _train(variant, seed if several else None, settings, ground, shards, output, report)
        for seed, variant, settings in runs
    ]


def evaluate_variants(
    trained: Sequence[Trained], job: EvaluationJob, output: Path, progress: PeopleProgress = lambda *_: None
) -> dict[str, Any]:
    """The evaluation of all variants by one protocol, told apart from full FACT; see ``run_evaluation``.

    Where a variant was trained with several seeds, it has a row for each and one of all their pictures together.
    """
    methods = {one.method: one.adapter for one in trained}
    about = {one.variant.name: one.variant.about for one in trained}
    runs = {name: [one.method for one in trained if one.variant.name == name] for name in about}
    pools = {name: members for name, members in runs.items() if members != [name]}
    notes = tuple(f"{name}: {what}" for name, what in about.items())
    return run_evaluation(replace(job, methods=methods, pools=pools, reference=FULL, notes=notes), output, progress)


def _seeded(recipe: Path, seed: int | None) -> list[str]:
    """The overrides that give a recipe's runs a seed; the projector's lesson is a run of its own."""
    if seed is None:
        return []
    return [
        f"{run}.seed={seed}" for run in ("training", *(["projector.training"] if peek(recipe, "projector") else []))
    ]


def _train(
    variant: Variant,
    seed: int | None,
    recipe: Config,
    ground: Ground,
    shards: Path,
    output: Path,
    report: Callable[[str], Report],
) -> Trained:
    settings = hashlib.sha256(f"{recipe.fingerprint()} {ground.mark()}".encode()).hexdigest()[:12]
    folder = output / f"{variant.name}-{settings}"
    adapter = folder / ADAPTER
    trained = Trained(variant, adapter, seed)
    if _is_finished(folder):
        return trained
    if ground.folder is not None:
        _borrow(ground.folder, folder)
    train_recipe(recipe, shards, folder, None, report(trained.method))
    with replacing(folder / FINISHED) as path:
        path.write_text(json.dumps({"variant": variant.name, "sha256": _sha256(adapter)}) + "\n")
    return trained


def _is_finished(folder: Path) -> bool:
    try:
        said: Mapping[str, str] = json.loads((folder / FINISHED).read_text())
    except (OSError, ValueError):
        return False
    return (folder / ADAPTER).is_file() and said.get("sha256") == _sha256(folder / ADAPTER)


def _borrow(miniature: Path, folder: Path) -> None:
    """A folder of runs that reads base, encoder and latents from another; an adapter of that one stays there."""
    (folder / "model").mkdir(parents=True, exist_ok=True)
    shared = [path for path in (miniature / "model").iterdir() if path.name != ADAPTER.name]
    for source in [*shared, miniature / "encoded"]:
        link = folder / source.relative_to(miniature)
        if source.exists() and not link.exists():
            link.symlink_to(source.resolve(), target_is_directory=source.is_dir())


def _require_base(miniature: Path) -> None:
    missing = [name for name in ("model/unet", "model/encoder.safetensors") if not (miniature / name).exists()]
    if missing:
        raise CheckpointError(
            f"{miniature} has no {' and no '.join(missing)}; train the base and the encoder there first, with "
            f"`limner train recipes/miniature-encoder.toml` and `recipes/miniature-base.toml` (-o {miniature})"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
