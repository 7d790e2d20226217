"""Rows of pictures through a base's stock pipelines: in one forward pass each row has its person, words and seed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from limner.adapters.sparse import Sparse
from limner.apps.assembly import Assembly
from limner.apps.opened_adapter import Showing
from limner.apps.quiet import quiet_libraries
from limner.apps.settings import Dials
from limner.core.errors import AdapterError, ConfigError
from limner.diffusion.latent_blending import LatentBlend, seeded_noise
from limner.diffusion.lora import worn
from limner.diffusion.samplers import new_sampler
from limner.identity.identity import Identity

MAX_PICTURES_PER_CALL = 16
MAX_PIXELS_PER_CALL = 4 * 512 * 512
"""Pictures are drawn side by side up to these sums, so that many pictures need no more memory than a few."""
INPAINTING_CHANNELS = (4, 9)
"""Input channels of the denoisers that diffusers' inpainting pipelines take."""

Progress = Callable[[int, int], None]
"""Called after each step with the number of steps done and of all steps."""
Task = Literal["text", "image", "inpaint"]


@dataclass(frozen=True, eq=False)
class Placed:
    """Several people in one picture.

    Attributes:
        regions: bool (people, height, width) of the picture, where each is shown.
    """

    people: tuple[Identity, ...]
    regions: np.ndarray


@dataclass(frozen=True, eq=False)
class Structure:
    """What a ControlNet asks of all rows of a call.

    Attributes:
        network: diffusers' ControlNet.
        picture: RGB uint8 of the size of what is drawn.
        scale: how strongly it is followed.
    """

    network: Any
    picture: np.ndarray
    scale: float


@dataclass(frozen=True, eq=False)
class Row:
    """One picture to be drawn.

    Attributes:
        person: who is shown; None for nobody in particular.
        placed: several people instead, each in a region; then all rows of a call have the same.
        start: RGB uint8 (height, width, 3) to begin from; None is noise.
        mask: bool (height, width), where the start is drawn anew; everywhere if None.
    """

    prompt: str
    seed: int
    person: Identity | None = None
    negative_prompt: str = ""
    start: np.ndarray | None = None
    mask: np.ndarray | None = None
    placed: Placed | None = None

    @property
    def task(self) -> Task:
        """Which kind of pipeline draws it."""
        if self.start is None:
            return "text"
        return "image" if self.mask is None else "inpaint"


def draw_rows(
    assembly: Assembly,
    rows: Sequence[Row],
    dials: Dials,
    *,
    size: tuple[int, int],
    structure: Structure | None = None,
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """Draw pictures of one size and task, as many side by side as memory allows.

    Args:
        dials: with a guidance scale.
        size: height and width in pixels, multiples of 8.
        structure: a ControlNet and what it is shown.

    Returns:
        RGB uint8 (height, width, 3) each; a row's picture does not depend on the others, up to rounding.

    Raises:
        AdapterError: a person is asked for and the model has no face adapter, or none is given and one is asked for; or
            the LoRA is of another base.
        FeatureSpaceError: an identity lacks the features that the adapter reads.
        CheckpointError: the LoRA's file cannot be read.
        ConfigError: the strength leaves no step to be taken, or the sampler cannot follow the base's schedule.
    """
    if rows[0].task != "text" and int(dials.num_steps * dials.strength) < 1:
        raise ConfigError(
            f"{dials.num_steps} steps at strength {dials.strength:g} leave no step to take; raise one of them"
        )
    room = MAX_PIXELS_PER_CALL // (size[0] * size[1])
    width = max(min(room, MAX_PICTURES_PER_CALL), 1)
    chunks = [rows[start : start + width] for start in range(0, len(rows), width)]
    images: list[np.ndarray] = []
    with quiet_libraries(), _dressed(assembly, dials):
        for number, chunk in enumerate(chunks):
            call = _Call(assembly, chunk, dials, size, structure)
            images += call.run(_step_counter(progress, number, len(chunks)))
    return images


def _dressed(assembly: Assembly, dials: Dials) -> AbstractContextManager[None]:
    if dials.lora is None:
        return nullcontext()
    return worn(assembly.base.pipeline, dials.lora, weight=dials.lora_weight)


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of a stock pipeline."""

    assembly: Assembly
    rows: Sequence[Row]
    dials: Dials
    size: tuple[int, int]
    structure: Structure | None

    def run(self, count_step: Callable[[Any, int], None]) -> Iterator[np.ndarray]:
        task = self.rows[0].task
        blended = task == "inpaint" and self._unet.config.in_channels not in INPAINTING_CHANNELS
        pipeline = self._pipeline("image" if blended else task)
        self._guide(pipeline)
        blend = self._blend(pipeline) if blended else None

        def on_step_end(called: Any, step: int, timestep: Any, tensors: dict) -> dict:
            count_step(called, step)
            return tensors if blend is None else blend(called, step, timestep, tensors)

        with self._showing():
            output = pipeline(
                **self._words(),
                **self._pictures(task, blended=blended),
                **self._control(task),
                generator=[torch.Generator().manual_seed(row.seed) for row in self.rows],
                num_inference_steps=self.dials.num_steps,
                guidance_scale=self.dials.guidance_scale,
                output_type="np",
                callback_on_step_end=on_step_end,
                callback_on_step_end_tensor_inputs=[] if blend is None else list(blend.tensor_inputs),
            )
        if not np.isfinite(output.images).all():
            # Seen with euler-a on the miniature, whose schedule ends in almost pure noise.
            raise ConfigError(
                f"the sampler {self.dials.scheduler or 'of this base'!r} ran out of numbers on this base's noise "
                "schedule; choose another (scheduler=..., --scheduler)"
            )
        return iter((output.images * 255).round().astype(np.uint8))

    @property
    def _unet(self) -> Any:
        return self.assembly.base.pipeline.unet

    def _pipeline(self, task: Task) -> Any:
        base = self.assembly.base.pipeline
        if task == "text" and self.dials.scheduler is None and self.structure is None and not self._pull:
            return base
        from diffusers.pipelines.auto_pipeline import (
            AutoPipelineForImage2Image,
            AutoPipelineForInpainting,
            AutoPipelineForText2Image,
        )

        kinds: dict[Task, Any] = {
            "text": AutoPipelineForText2Image,
            "image": AutoPipelineForImage2Image,
            "inpaint": AutoPipelineForInpainting,
        }
        # A scheduler keeps where it is in a run, and pipelines correct its settings: the base's own stays as it is.
        control = {} if self.structure is None else {"controlnet": self.structure.network}
        scheduler = new_sampler(base.scheduler, self.dials.scheduler)
        pipeline = kinds[task].from_pipe(base, scheduler=scheduler, **control)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @property
    def _pull(self) -> float:
        """How far the guide pulls towards the person at each look."""
        return (self.dials.identity_guidance or 0.0) * self.dials.adapter_scale

    def _guide(self, pipeline: Any) -> None:
        """Have the guide look on; the pipeline's scheduler is this call's own then."""
        if not self._pull:
            return
        if self.rows[0].placed is not None:
            raise ConfigError(
                "identity guidance (identity_guidance, --identity-guidance) looks at one person in a picture; "
                "set it to 0 for a picture of several"
            )
        assert self.dials.window is not None
        people = [row.person for row in self.rows]
        self.assembly.guide(pipeline.scheduler, people, pull=self._pull, window=self.dials.window)

    def _alike(self) -> bool:
        """Whether the rows differ in nothing but their seeds, so that words and person are encoded once."""
        first = self.rows[0]
        words = {(row.prompt, row.negative_prompt, row.person, row.placed) for row in self.rows}
        return len(words) == 1 and first.task == "text"

    @property
    def _guided(self) -> bool:
        assert self.dials.guidance_scale is not None
        # As the stock pipelines decide it: distilled models take the guidance as an input instead.
        return self.dials.guidance_scale > 1 and self._unet.config["time_cond_proj_dim"] is None

    def _words(self) -> dict[str, Any]:
        alike = self._alike()
        words = [(row.prompt, row.negative_prompt) for row in (self.rows[:1] if alike else self.rows)]
        encoded = self.assembly.prompts.encoded(self.assembly.base.pipeline, words, guided=self._guided)
        return encoded | ({"num_images_per_prompt": len(self.rows)} if alike else {})

    def _pictures(self, task: Task, *, blended: bool) -> dict[str, Any]:
        height, width = self.size
        if task == "text":
            return {"height": height, "width": width}
        given = {
            "image": [Image.fromarray(row.start) for row in self.rows if row.start is not None],
            "strength": self.dials.strength,
        }
        if task == "image" or blended:
            return given
        masks = [Image.fromarray(row.mask.astype(np.uint8) * 255) for row in self.rows if row.mask is not None]
        return given | {"mask_image": masks, "height": height, "width": width}

    def _control(self, task: Task) -> dict[str, Any]:
        if self.structure is None:
            return {}
        picture = Image.fromarray(self.structure.picture)
        # Where words and person are given once for all rows, so is this; elsewhere pipelines want one each.
        name = "image" if task == "text" else "control_image"
        pictures = picture if self._alike() else [picture] * len(self.rows)
        return {name: pictures, "controlnet_conditioning_scale": self.structure.scale}

    @torch.no_grad()
    def _blend(self, pipeline: Any) -> LatentBlend:
        from limner.diffusion.backbone import encode_pictures  # brings diffusers' pipelines along

        pictures = np.stack([row.start for row in self.rows if row.start is not None])
        masks = np.stack([row.mask for row in self.rows if row.mask is not None])
        device, dtype = self._unet.device, self._unet.dtype
        scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(device, dtype) / 127.5 - 1
        latents = encode_pictures(pipeline.vae, scaled)
        noise = seeded_noise([row.seed for row in self.rows], latents)
        return LatentBlend(latents, torch.from_numpy(masks)[:, None].to(device), noise)

    def _showing(self) -> AbstractContextManager[None]:
        if self.dials.adapter_scale == 0:
            return nullcontext()
        adapter = self.assembly.adapter
        if adapter is None:
            raise AdapterError(
                f"{self.assembly.base.public_name} has no face adapter, so it cannot draw a given person; name one "
                "(adapter=..., --adapter), or draw anybody with adapter_scale=0 (--scale 0)"
            )
        placed = self.rows[0].placed
        people = [row.person for row in self.rows if row.person is not None] if placed is None else [*placed.people]
        if placed is None and len(people) < len(self.rows):
            raise AdapterError(
                "no person was given; give an identity, or draw anybody with adapter_scale=0 (--scale 0)"
            )
        assert self.dials.window is not None
        showing = Showing(
            scale=self.dials.adapter_scale,
            guided=self._guided,
            block_scales=self.dials.block_scales,
            window=self.dials.window,
            face_guidance=self.dials.face_guidance,
            sparse=Sparse() if self.dials.sparse else None,
        )
        if placed is not None:
            return adapter.conditioned_in_regions(self.assembly.base, people, self._regions(placed), showing)
        same = all(person is people[0] for person in people)
        return adapter.conditioned(self.assembly.base, people[:1] if same else people, showing)

    def _regions(self, placed: Placed) -> torch.Tensor:
        """``(people, rows, columns)`` at the size of the latents, the share of each position that lies inside."""
        factor = self.assembly.base.pipeline.vae_scale_factor
        rows, columns = (side // factor for side in self.size)
        regions = torch.from_numpy(placed.regions).float()[:, None]
        return torch.nn.functional.adaptive_avg_pool2d(regions, (rows, columns))[:, 0].to(self._unet.device)


def _step_counter(progress: Progress | None, chunk: int, num_chunks: int) -> Callable[[Any, int], None]:
    def count_step(pipeline: Any, step: int) -> None:
        if progress is not None:
            # Some samplers take more steps than they were asked for.
            progress(chunk * pipeline.num_timesteps + step + 1, num_chunks * pipeline.num_timesteps)

    return count_step
