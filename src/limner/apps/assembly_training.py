"""From a recipe to a training run: the file's key ``system`` picks what is put together."""

from pathlib import Path

from limner.apps.training_fact import FactRecipe as PortraitFactRecipe
from limner.apps.training_fact import train_fact
from limner.apps.training_few_steps import FewStepsRecipe, train_miniature_few_steps
from limner.apps.training_miniature import (
    BaseRecipe,
    EncoderRecipe,
    train_miniature_base,
    train_miniature_encoder,
)
from limner.apps.training_miniature_fact import FactRecipe, train_miniature_fact
from limner.apps.training_pose import PoseRecipe, train_miniature_pose
from limner.apps.training_progress import Report
from limner.apps.training_upscaler import UpscalerRecipe, train_miniature_upscaler
from limner.core.config import Config, peek
from limner.core.errors import ConfigError
from limner.training.engine import main_process_first
from limner.training.settings import length_overrides

RECIPES: dict[str, type[Config]] = {
    "miniature-encoder": EncoderRecipe,
    "miniature-base": BaseRecipe,
    "miniature-fact": FactRecipe,
    "miniature-upscaler": UpscalerRecipe,
    "miniature-pose": PoseRecipe,
    "miniature-few-steps": FewStepsRecipe,
    "fact": PortraitFactRecipe,
}


def read_recipe(path: Path, overrides: list[str], length: float = 1.0) -> Config:
    """The recipe in a TOML file, of the kind its key ``system`` says.

    Args:
        length: of its runs, as a share of what the file says; what ``overrides`` say counts as it is.

    Raises:
        ConfigError: the file is missing or malformed, the system unknown, a setting unknown or out of range.
    """
    system = peek(path, "system")
    if system not in RECIPES:
        raise ConfigError(f"{path}: system is {system!r}; known are {', '.join(RECIPES)}")
    kind = RECIPES[system]
    shorter = [] if length == 1 else length_overrides(kind.read(path), length)
    return kind.read(path, overrides=[*shorter, *overrides])


def train(recipe: Config, shards: Path, folder: Path, autoencoder: Path | None, report: Report) -> Path:
    """Run a recipe, or go on with it, and write the weights below ``folder/model``; returns what was written.

    Args:
        shards: folder of training shards.
        folder: shared by the runs that build on each other.
        autoencoder: folder of ``taef2_encoder.pth`` and ``taef2_decoder.pth``; needed once, by the miniature's base.
    """
    with main_process_first() as writes:
        if writes:
            folder.mkdir(parents=True, exist_ok=True)
            recipe.write(folder / f"{recipe.system}.toml")  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(recipe, EncoderRecipe):
        return train_miniature_encoder(recipe, shards, folder, report)
    if isinstance(recipe, BaseRecipe):
        return train_miniature_base(recipe, shards, folder, autoencoder, report)
    if isinstance(recipe, FactRecipe):
        return train_miniature_fact(recipe, shards, folder, report)
    if isinstance(recipe, UpscalerRecipe):
        return train_miniature_upscaler(recipe, shards, folder, report)
    if isinstance(recipe, PoseRecipe):
        return train_miniature_pose(recipe, shards, folder, report)
    if isinstance(recipe, FewStepsRecipe):
        return train_miniature_few_steps(recipe, folder, report)
    assert isinstance(recipe, PortraitFactRecipe)
    return train_fact(recipe, shards, folder, report)
