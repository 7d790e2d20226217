"""Where on its way does a picture become the person's, and where does it lose them again? By the guide.

    python benchmarks/guide_way.py --shards people/shards --adapter runs/miniature/model/adapter.safetensors

Validation people are drawn with DDIM (arXiv:2010.02502), a step at a time; the clean picture that each step predicts is
compared with *other* photos of the person. The guide taught the adapter, so its cosines choose a checkpoint and show
where training is wanted; they do not say how alike the pictures are. The first people are left out, since the judge of
`limner evaluate` is asked about them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from PIL import Image
from torch import Tensor

from limner.apps.tables import print_table
from limner.core.assets import WEIGHTS
from limner.core.errors import InputError
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.miniature import Miniature
from limner.evaluation.intervals import mean, over_people
from limner.faces.alignment import align
from limner.faces.detection import FaceDetector
from limner.identity.encoder import load_encoder
from limner.identity.recognition import GuideRecognizer
from limner.systems.designs import FaceSystem, load_system
from limner.systems.encoded_portraits import encode_references

WORDS = ("smiling", "serious")
FIRST_SEED = 100
ENLARGED = 2
"""Times; the detector wants larger faces than the miniature draws."""


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    model: Annotated[Path, typer.Option(help="Folder of a miniature.")] = WEIGHTS / "miniature",
    adapter: Annotated[Path | None, typer.Option(help="Another adapter's file.")] = None,
    skip: Annotated[int, typer.Option(min=0, help="So many validation people are left to the judge.")] = 16,
    people: Annotated[int, typer.Option(min=2)] = 24,
    steps: Annotated[int, typer.Option(min=1)] = 25,
    guidance: Annotated[float, typer.Option(min=1)] = 2.0,
    scale: Annotated[float, typer.Option(min=0)] = 0.8,
    start: Annotated[float, typer.Option(min=0, max=1, help="Share of the run before the person is shown.")] = 0.3,
) -> None:
    """Print a row for each step, and the highest and the last."""
    base = Miniature.load(model)
    encoder, _ = load_encoder(model / "encoder.safetensors")
    system = load_system(adapter or model / "adapter.safetensors", base.unet)
    chosen = people_after(ShardIndex(shards), skip, people)
    references = torch.stack(
        [torch.from_numpy(align(first.image, first.landmarks).image).permute(2, 0, 1) for first, *_ in chosen]
    )
    features = encode_references(encoder, references).float().repeat_interleave(len(WORDS), dim=0)
    prompts = [f"a photo of a {'man' if who[0].male > 0.5 else 'woman'}, {word}" for who in chosen for word in WORDS]
    others = [np.stack([photo.guide_embedding for photo in photos]) for _, *photos in chosen for _ in WORDS]
    detector, guide = FaceDetector(), GuideRecognizer()
    rows = []
    for timestep, clean in clean_predictions(
        StableDiffusionBackbone(base.pipeline()), system, features, prompts, steps, guidance, scale, start
    ):
        pictures = ((decoded(base, clean) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        cosines = np.array([_cosine(*pair, detector, guide) for pair in zip(pictures, others, strict=True)])
        of_people = {"cosine": mean(cosines.reshape(len(chosen), len(WORDS)))}
        found = over_people(of_people, lambda table: mean(table["cosine"]), seed=0)
        lost = int(np.isnan(cosines).sum())
        rows.append([str(timestep), f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]", str(lost)])
    print_table(f"{len(chosen)} people, {len(prompts)} pictures", ["timestep", "cosine", "without a face"], rows)


def people_after(index: ShardIndex, skip: int, people: int) -> list[list[FaceRecord]]:
    """Validation people with two photos or more, in the order of the shards, without the first ``skip``.

    Raises:
        InputError: fewer than two are left.
    """
    several = [numbers for numbers in index.people_in("validation").values() if len(numbers) > 1]
    chosen = several[skip : skip + people]
    if len(chosen) < 2:
        raise InputError(
            f"{index.folder} has {len(several)} validation people with two photos or more; after the first {skip} "
            "fewer than two are left: give more people (--shards) or leave out fewer (--skip)"
        )
    return [[index[number] for number in numbers] for numbers in chosen]


@torch.no_grad()
def clean_predictions(
    backbone: StableDiffusionBackbone,
    system: FaceSystem,
    features: Tensor,
    prompts: Sequence[str],
    steps: int,
    guidance: float,
    scale: float,
    start: float,
) -> Iterator[tuple[int, Tensor]]:
    """Timestep and predicted clean latents ``(prompts, channels, rows, columns)`` of every step."""
    # The sampler's own habits are for pixels in [-1, 1].
    scheduler: Any = DDIMScheduler.from_config(
        backbone.pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=False
    )
    scheduler.set_timesteps(steps)
    text = backbone.encode_text(backbone.tokenize(prompts)).context
    empty = backbone.encode_text(backbone.tokenize([""] * len(prompts))).context
    rng = torch.Generator().manual_seed(FIRST_SEED)
    noisy = torch.randn(len(prompts), *backbone.latent_shape, generator=rng) * scheduler.init_noise_sigma
    tokens = system.face_tokens(features)
    with system.adapter.injected(backbone.pipeline.unet):
        for number, timestep in enumerate(scheduler.timesteps):
            shown = scale if number >= start * steps else 0.0
            with system.adapter.conditioned(tokens, system.null_tokens, guided=True, scale=shown):
                answers = backbone.unet(
                    torch.cat([noisy, noisy]), timestep, torch.cat([empty, text]), return_dict=False
                )[0]
            without, with_words = answers.chunk(2)
            step = scheduler.step(without + guidance * (with_words - without), timestep, noisy)
            noisy = step.prev_sample
            yield int(timestep), step.pred_original_sample


@torch.no_grad()
def decoded(base: Miniature, latents: Tensor) -> Tensor:
    """Pictures in [-1, 1]."""
    return base.vae.decode(latents)[0].clamp(-1, 1)


def _cosine(picture: np.ndarray, others: np.ndarray, detector: FaceDetector, guide: GuideRecognizer) -> float:
    """The mean with other photos' embeddings ``(photos, dim)``; NaN where there is no face."""
    side = ENLARGED * picture.shape[0]
    large = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
    faces = detector.detect(large)
    if not faces:
        return float("nan")
    seen = guide.embed([align(large, max(faces, key=lambda face: face.score).landmarks)])
    return float((others @ seen.vector[0]).mean())


if __name__ == "__main__":
    typer.run(main)
