"""The miniature's last run: a LoRA of the finished base that draws in a few steps; base and adapter stay as they are.

``<run>/few-steps/`` holds what is needed to go on; ``model/few-steps.safetensors`` is for ``limner portrait --fast``.
"""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from limner.apps.fast import STEPS
from limner.apps.training_features import reference_features
from limner.apps.training_progress import Report, run_through
from limner.core.config import Config
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.lora import save_lora
from limner.diffusion.miniature import Miniature
from limner.diffusion.samplers import new_sampler
from limner.identity.encoder import load_encoder
from limner.systems.designs import load_system
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.few_steps import FewSteps
from limner.systems.miniature_data import EncodedFaces
from limner.training.settings import LoopSettings

SYSTEM = LICENCE = "miniature-few-steps"


class FewStepsRecipe(Config):
    """Train the LoRA for few steps; see :class:`limner.systems.few_steps.FewSteps`.

    Attributes:
        rank: of the LoRA.
        steps: of a picture.
        substeps: of the teacher in each of them.
        guidance: of the teacher.
        scale: of the face adapter.
        face_probability: of a row that shows a person.
    """

    system: Literal["miniature-few-steps"]
    batch: PositiveInt
    rank: PositiveInt
    steps: PositiveInt
    substeps: PositiveInt
    guidance: PositiveFloat
    scale: PositiveFloat
    face_probability: float = Field(ge=0, le=1)
    training: LoopSettings


def train_miniature_few_steps(recipe: FewStepsRecipe, folder: Path, report: Report) -> Path:
    """Writes ``model/few-steps.safetensors``.

    Raises:
        CheckpointError: base, encoder or adapter are not there yet.
    """
    model = folder / "model"
    base = Miniature.load(model)
    encoder_path = model / "encoder.safetensors"
    encoder, _ = load_encoder(encoder_path)
    faces = EncodedFaces.load(folder / "encoded" / "train.safetensors")
    torch.manual_seed(recipe.training.seed)
    base.unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    pipeline = base.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = new_sampler(pipeline.scheduler, "ddim")
    backbone = StableDiffusionBackbone(pipeline)
    task = FewSteps(
        backbone,
        load_system(model / "adapter.safetensors", base.unet),
        EncodedPortraits(faces, reference_features(encoder_path, encoder, faces, folder, report), backbone.tokenize),
        batch=recipe.batch,
        rank=recipe.rank,
        steps=recipe.steps,
        substeps=recipe.substeps,
        guidance=recipe.guidance,
        scale=recipe.scale,
        face_probability=recipe.face_probability,
    )
    run = run_through("few-steps", folder, task, recipe.training, report)
    target = model / "few-steps.safetensors"
    if run.writes:
        save_lora(target, task.lora(), system=SYSTEM, licence=LICENCE, config={STEPS: recipe.steps})
    return target
