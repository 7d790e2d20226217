"""The miniature's fifth run, the pose ControlNet: it reads the finished base and changes nothing of it.

``<run>/pose/`` holds what is needed to go on, ``encoded/pose.safetensors`` the pictures with their meshes, and
``model/pose.safetensors`` is what ``limner portrait --pose`` reads.
"""

from pathlib import Path
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt

from limner.apps.training_progress import Report, run_through
from limner.apps.training_records import chosen_records, read_records
from limner.core.config import Config
from limner.data.shard_index import ShardIndex
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.miniature import Miniature
from limner.diffusion.pose_control import PoseSizes, build_pose_control, save_pose_control
from limner.faces.analysis import FaceAnalyzer
from limner.losses.denoising import WeightName
from limner.systems.miniature_pose import MiniaturePose
from limner.systems.miniature_pose_data import PosedFaces, pose_faces
from limner.training.engine import main_process_first
from limner.training.settings import LoopSettings

LICENCE = "miniature-pose"


class PoseRecipe(Config):
    """Train the pose ControlNet.

    Attributes:
        sources: whose records it learns from.
        pictures: that many of them, picked at random; each gives two variants.
        timestep_shift: see :class:`limner.systems.miniature_pose.MiniaturePose`.
    """

    system: Literal["miniature-pose"]
    sources: tuple[str, ...]
    pictures: PositiveInt
    batch: PositiveInt
    loss_weight: WeightName
    timestep_shift: PositiveFloat
    model: PoseSizes
    training: LoopSettings


def train_miniature_pose(recipe: PoseRecipe, shards: Path, folder: Path, report: Report) -> Path:
    """Writes ``model/pose.safetensors``.

    Raises:
        CheckpointError: the base is not there yet.
        InputError: no record is of the recipe's sources, or none has a face.
    """
    miniature = Miniature.load(folder / "model")
    with main_process_first():
        faces = _faces(recipe, miniature, shards, folder, report)
    torch.manual_seed(recipe.training.seed)
    network = build_pose_control(miniature.unet, recipe.model)
    for module in (network, miniature.unet):
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    pipeline = miniature.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    task = MiniaturePose(
        network,
        StableDiffusionBackbone(pipeline),
        faces,
        batch=recipe.batch,
        weight=recipe.loss_weight,
        timestep_shift=recipe.timestep_shift,
    )
    run = run_through("pose", folder, task, recipe.training, report)
    target = folder / "model" / "pose.safetensors"
    if run.writes:
        save_pose_control(target, network, licence=LICENCE)
    return target


def _faces(recipe: PoseRecipe, miniature: Miniature, shards: Path, folder: Path, report: Report) -> PosedFaces:
    """Made once."""
    cache = folder / "encoded" / "pose.safetensors"
    if not cache.exists():
        index = ShardIndex(shards)
        chosen = chosen_records(index, recipe.sources, recipe.pictures, seed=recipe.training.seed)
        made = pose_faces(
            read_records(index, chosen),
            miniature.vae,
            FaceAnalyzer(),
            pixels=miniature.config.pixels,
            seed=recipe.training.seed,
            progress=lambda done: report("meshes", done, len(chosen), {}),
        )
        made.save(cache)
    return PosedFaces.load(cache)
