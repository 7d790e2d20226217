"""FACT on Stable Diffusion 1.5 or XL, from shards of real photos to an adapter.

``<folder>/fact/`` holds what is needed to go on, ``<folder>/model/adapter.safetensors`` is what pictures are made with.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from limner.apps.bases import Base, open_base
from limner.apps.training_progress import Report, run_through
from limner.core.checkpoint import save_checkpoint
from limner.core.config import Config
from limner.core.errors import ConfigError
from limner.data.caching import cache_name, cache_tensors
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex
from limner.diffusion.backbone import StableDiffusionBackbone, StableDiffusionXLBackbone
from limner.evaluation.people import spaces_of
from limner.identity.encoder import load_encoder
from limner.systems.adapter_files import begin_adapter, trained_with
from limner.systems.designs import AdapterDesign, new_system
from limner.systems.fact_objective import FactObjective
from limner.systems.fact_training import FactTraining
from limner.systems.portraits import CONTEXT, LATENTS, POOLED
from limner.systems.shard_portraits import MaskRegion, PortraitFormat, ShardPortraits, picture_of, sentence_of
from limner.training.engine import main_process_first
from limner.training.settings import LoopSettings


class DataSettings(Config):
    """How records become rows.

    Attributes:
        keep_latents: keep every picture's latents in the shards, instead of encoding it at each use.
        keep_text: the same for the states of the captions; each record then always has the same sentence.
        mask_region: what FAIR takes for the face: without hair or with.
    """

    keep_latents: bool = True
    keep_text: bool = False
    mask_region: MaskRegion = "face"


class FactRecipe(FactObjective):
    """Train an adapter on a frozen base.

    Attributes:
        base: folder of a Stable Diffusion 1.5 or XL in diffusers format, or a hub name.
        encoder: file of the face encoder whose features the adapter reads.
        start: file of an adapter for this base whose weights the run begins with.
    """

    system: Literal["fact"]
    base: str
    encoder: Path
    start: Path | None = None
    data: DataSettings = DataSettings()
    fact: AdapterDesign
    training: LoopSettings


def train_fact(recipe: FactRecipe, shards: Path, folder: Path, report: Report) -> Path:
    """Writes ``model/adapter.safetensors``.

    Raises:
        CheckpointError: base or encoder cannot be opened.
        ConfigError: the recipe asks for directions that nobody measures here.
        FeatureSpaceError: the encoder is not the one that the recipe is made for.
        InputError: the shards are missing or broken.
    """
    if recipe.fact.nuisance:
        raise ConfigError("only the miniature's run measures what fact.nuisance leaves out; set it to 0")
    base = open_base(recipe.base, device="cpu")
    backbone = backbone_of(base)
    encoder, header = load_encoder(recipe.encoder)
    torch.manual_seed(recipe.training.seed)
    system = new_system(base.pipeline.unet, recipe.fact)
    system.require_space(str(header.feature_space))
    start = None if recipe.start is None else begin_adapter(system, recipe.start, like=system.header())
    with main_process_first() as writes:
        kept = keep_in_shards(shards, base, backbone, recipe.data, report if writes else None)
    form = PortraitFormat(backbone.pixels, backbone.latent_shape[1], recipe.data.mask_region, kept)
    portraits = ShardPortraits(ShardIndex(shards), form, backbone.tokenize)
    task = FactTraining(system, backbone, portraits, recipe, steps=recipe.training.steps, encoder=encoder)
    run = run_through("fact", folder, task, recipe.training, report)
    target = folder / "model" / "adapter.safetensors"
    if run.writes:
        trained = trained_with(system.header(), header, spaces_of(portraits.index), start=start)
        save_checkpoint(target, system.state_dict(), trained)
    return target


def backbone_of(base: Base) -> StableDiffusionBackbone:
    """The base as training sees it."""
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

    if isinstance(base.pipeline, StableDiffusionXLPipeline):
        return StableDiffusionXLBackbone(base.pipeline)
    return StableDiffusionBackbone(base.pipeline)


def keep_in_shards(
    shards: Path, base: Base, backbone: StableDiffusionBackbone, data: DataSettings, report: Report | None
) -> dict[str, str]:
    """Name in the shards, by kind, of what the recipe wants kept; what is missing is computed if ``report`` is given.

    Raises:
        ConfigError: the base is not a folder, so that nothing says which model it is.
    """
    wanted = [LATENTS] if data.keep_latents else []
    if data.keep_text:
        wanted += [CONTEXT, POOLED] if isinstance(backbone, StableDiffusionXLBackbone) else [CONTEXT]
    if wanted and base.folder is None:
        raise ConfigError(
            f"data.keep_latents and data.keep_text need the base in a folder, {base.name!r} is a hub name; save it "
            "there with `save_pretrained`, or set both to false"
        )
    names: dict[str, str] = {}
    for kind in wanted:
        assert base.folder is not None
        parts = ["vae"] if kind == LATENTS else [*backbone.encoder_names, *backbone.tokenizer_names]
        names[kind] = cache_name(kind, [base.folder / part for part in parts], pixels=backbone.pixels)
        if report is not None:
            cache_tensors(shards, names[kind], _computed_by(backbone, kind), progress=_told(report, f"keep {kind}"))
    return names


def _computed_by(
    backbone: StableDiffusionBackbone, kind: str
) -> Callable[[Sequence[FaceRecord]], Sequence[np.ndarray]]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone.place(torch.device(device), torch.float32)

    def latents(records: Sequence[FaceRecord]) -> Sequence[np.ndarray]:
        pictures = torch.stack([picture_of(record, backbone.pixels) for record in records])
        return list(backbone.encode_pictures(pictures.to(device)).half().cpu().numpy())

    def text(records: Sequence[FaceRecord]) -> Sequence[np.ndarray]:
        ids = backbone.tokenize([sentence_of(record, seed=0) for record in records])
        states = backbone.encode_text({name: rows.to(device) for name, rows in ids.items()})
        chosen: Any = states.pooled if kind == POOLED else states.context
        return list(chosen.half().cpu().numpy())

    return latents if kind == LATENTS else text


def _told(report: Report, what: str) -> Callable[[int, int], None]:
    return lambda done, total: report(what, done, total, {})
