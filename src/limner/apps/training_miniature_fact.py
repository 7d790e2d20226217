"""The miniature's third run, from recipe to exported weights: the adapter, on the finished encoder and base.

The folder is the one that :mod:`limner.apps.training_miniature` filled.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from limner.apps.training_features import reference_features
from limner.apps.training_nuisance import Unheard, measured_nuisance
from limner.apps.training_progress import Report, run_through
from limner.apps.training_records import require_same_records
from limner.core.checkpoint import Header, quantize, save_checkpoint
from limner.core.config import Config
from limner.data.record import FaceRecord, read_shards
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.miniature import Miniature
from limner.identity.encoder import load_encoder
from limner.identity.guide_network import GuideNetwork
from limner.identity.nuisance import save_nuisance
from limner.identity.recognition import GUIDE_SPACE
from limner.systems.adapter_files import begin_adapter, trained_with
from limner.systems.designs import AdapterDesign, FaceSystem, new_system
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.fact import Fact
from limner.systems.fact_objective import FactObjective
from limner.systems.fact_training import FactTraining
from limner.systems.likeness_term import LikenessTerm, likeness_aims, likeness_nuisance
from limner.systems.miniature_data import EncodedFaces
from limner.systems.predicted_faces import PredictedFaces, face_grids
from limner.systems.projector_lesson import ProjectorLesson
from limner.systems.token_transfer import TokenTransfer, tokens_said
from limner.training.settings import LoopSettings


class LessonRecipe(Config):
    """Teach the adapter's projector before the adapter.

    Attributes:
        batch: faces of a step.
        other_picture_probability: of a face that draws another picture of its person instead of its own.
    """

    batch: PositiveInt
    other_picture_probability: float = Field(default=0.5, ge=0, le=1)
    training: LoopSettings


class LikenessRecipe(Config):
    """A loss beside FACT's own, through the guide; how much it counts is ``training.weights.likeness``.

    Attributes:
        probability: of a row that the guide looks at.
        stranger_probability: of a row that is asked to show the person in the picture of somebody else of the same
            gender, as a drawing does, whose layout is the seed's.
        nuisance: in so many directions, those in which one person's pictures differ most, the guide is not heard.
        steps: that the model goes by itself before the guide looks; they cost no gradient.
    """

    probability: float = Field(gt=0, le=1)
    stranger_probability: float = Field(default=0.5, ge=0, le=1)
    nuisance: NonNegativeInt = 4
    steps: PositiveInt = 3


class FactRecipe(FactObjective):
    """Train an adapter on the frozen base.

    Attributes:
        likeness: a loss beside FACT's own; None for those only.
        unheard: measurements that no linear reading of a photo's tokens is to tell, besides that in which pictures of
            one person differ most; each is one of the ``fact.nuisance`` directions.
        start: file of an adapter whose weights the run begins with, instead of its projector's lesson.
        start_encoder: file of the encoder that ``start`` reads, where that is another one: the projector's lesson is
            then to say of every face what that adapter's said.
    """

    system: Literal["miniature-fact"]
    start: Path | None = None
    start_encoder: Path | None = None
    likeness: LikenessRecipe | None = None
    unheard: tuple[Unheard, ...] = ()
    fact: AdapterDesign
    projector: LessonRecipe
    training: LoopSettings

    @model_validator(mode="after")
    def _directions_suffice(self) -> Self:
        if len(self.unheard) > self.fact.nuisance:
            raise ValueError(
                f"{len(self.unheard)} measurements are not to be heard, but fact.nuisance leaves out "
                f"{self.fact.nuisance} directions; raise it, or name fewer (unheard)"
            )
        return self


def train_miniature_fact(recipe: FactRecipe, shards: Path, folder: Path, report: Report) -> Path:
    """Writes ``model/adapter.safetensors`` and, where the guide takes part, what of it is not to be heard,
    ``model/nuisance.safetensors``."""
    base = Miniature.load(folder / "model")
    encoder_path = folder / "model" / "encoder.safetensors"
    encoder, header = load_encoder(encoder_path)
    faces = EncodedFaces.load(folder / "encoded" / "train.safetensors")
    torch.manual_seed(recipe.training.seed)
    system = new_system(base.unet, recipe.fact)
    system.require_space(str(header.feature_space))
    base.unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    pipeline = base.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    backbone = StableDiffusionBackbone(pipeline)
    # Before the features are made: what is missing is better said now than minutes later.
    likeness = None if recipe.likeness is None else _likeness(recipe.likeness, base, backbone, faces, shards)
    features = reference_features(encoder_path, encoder, faces, folder, report)
    portraits = EncodedPortraits(faces, features, backbone.tokenize)
    start = None
    if recipe.start is None:
        _measure_nuisance(recipe, system, portraits, shards)
        _teach_projector(recipe, system, portraits, backbone.latent_shape, folder, report)
    else:
        start = _begin(recipe, recipe.start, system, portraits, shards, folder, report)
    task = FactTraining(system, backbone, portraits, recipe, steps=recipe.training.steps, likeness=likeness)
    run = run_through("fact", folder, task, recipe.training, report)
    target = folder / "model" / "adapter.safetensors"
    if run.writes:
        about = trained_with(system.header(), header, start=start, guides=[GUIDE_SPACE] if likeness else [])
        save_checkpoint(target, quantize(system.state_dict()), about)
        if likeness is not None:
            path, licence = folder / "model" / "nuisance.safetensors", recipe.fact.licence
            save_nuisance(path, likeness.nuisance, feature_space=GUIDE_SPACE, licence=licence)
    return target


def _begin(
    recipe: FactRecipe,
    path: Path,
    system: FaceSystem,
    portraits: EncodedPortraits,
    shards: Path,
    folder: Path,
    report: Report,
) -> Header:
    """The weights at ``path``; where they read another encoder, the projector learns to read this run's."""
    about, own = system.header(), recipe.start_encoder
    if own is None:
        start = begin_adapter(system, path, like=about)
        _measure_nuisance(recipe, system, portraits, shards)
        return start
    encoder, encoder_about = load_encoder(own)
    before = about.model_copy(update={"feature_space": encoder_about.feature_space})
    start = begin_adapter(system, path, like=before)
    said = tokens_said(system, reference_features(own, encoder, portraits.faces, folder, report))
    if isinstance(system, Fact) and system.nuisance is not None:
        system.nuisance.zero_()  # of another encoder
    _measure_nuisance(recipe, system, portraits, shards)
    lesson = TokenTransfer(system, portraits.features, said, batch=recipe.projector.batch)
    run_through("projector", folder, lesson, recipe.projector.training, report)
    return start


def _measure_nuisance(recipe: FactRecipe, system: FaceSystem, portraits: EncodedPortraits, shards: Path) -> None:
    """What the resampler is not to see, unless the adapter that the run began with has brought it.

    Raises:
        InputError, ConfigError: see :func:`limner.apps.training_nuisance.measured_nuisance`.
    """
    if isinstance(system, Fact) and system.nuisance is not None and not system.nuisance.any():
        person, count = portraits.faces.person, len(system.nuisance)
        found = measured_nuisance(portraits.features, person, shards, count=count, unheard=recipe.unheard)
        system.nuisance.copy_(found)


def _likeness(
    recipe: LikenessRecipe, base: Miniature, backbone: StableDiffusionBackbone, faces: EncodedFaces, shards: Path
) -> LikenessTerm:
    """Where the faces lie and the aims come from the shards that the run's latents were made of.

    Raises:
        InputError: other shards.
        ConfigError: nobody has two pictures, see :func:`limner.identity.nuisance.nuisance_directions`.
    """

    # Read once; 30,000 pictures would not fit into a laptop's memory.
    records = [_without_pixels(record) for record in read_shards(shards) if record.split == "train"]
    grids = face_grids(records)
    require_same_records(shards, len(grids), len(faces.person))
    base.vae.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (a third faster on a CPU)
    predicted = PredictedFaces(
        lambda latents: base.vae.decode(latents.contiguous(memory_format=torch.channels_last))[0],
        grids,
        counted=torch.tensor([[traits.style == "photo" for traits in row] for row in faces.traits]),
        probability=recipe.probability,
    )
    return LikenessTerm(
        GuideNetwork(),
        predicted,
        likeness_aims(records),
        nuisance=likeness_nuisance(records, recipe.nuisance),
        genders=torch.tensor([record.male > 0.5 for record in records]),
        stranger_probability=recipe.stranger_probability,
        steps=recipe.steps,
        num_train_timesteps=backbone.noise_schedule.config.num_train_timesteps,
    )


def _without_pixels(record: FaceRecord) -> FaceRecord:
    """The same record of a black picture of the same size, which needs no memory."""
    black = np.broadcast_to(np.uint8(0), record.image.shape)
    return replace(record, image=black, labels=black[..., 0], cached={})


def _teach_projector(
    recipe: FactRecipe,
    system: FaceSystem,
    portraits: EncodedPortraits,
    latent_shape: Sequence[int],
    folder: Path,
    report: Report,
) -> None:
    lesson = ProjectorLesson(
        system,
        portraits,
        token_width=recipe.fact.resampler.context_width,
        latent_shape=latent_shape,
        batch=recipe.projector.batch,
        pairing=recipe.pairing,
        other_picture_probability=recipe.projector.other_picture_probability,
    )
    run_through("projector", folder, lesson, recipe.projector.training, report)
