"""The front door: a person and a sentence in, portraits out.

identity = Identity.from_photos(["me.jpg"])
Studio.open("miniature").portrait(identity, "a photo of a person, smiling", count=4, seed=7)
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from limner.apps.assembly import Assembly, assemble
from limner.apps.quiet import quiet_libraries
from limner.apps.settings import PortraitSettings
from limner.core.errors import AdapterError, ConfigError
from limner.faces.analysis import FaceAnalyzer
from limner.faces.detection import select_face
from limner.identity.enrolment import Photo
from limner.identity.identity import Identity
from limner.identity.recognition import GUIDE_SPACE, GuideRecognizer, Recognizer, similarity

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

MAX_PICTURES_PER_CALL = 16
MAX_PIXELS_PER_CALL = 4 * 512 * 512
"""Pictures are drawn side by side up to these sums, so that many pictures need no more memory than a few."""

ENROLLING = ("yunet", "facemesh", "bisenetv2", "lightqnet")
"""Licence records of the networks that look at photos, besides the recognisers."""
MEASURING = ("yunet", "fr_feature")
"""Licence records of the networks that look at what was drawn."""

PASS_SETTINGS = ("num_steps", "guidance_scale", "adapter_scale", "height", "width")
"""What all pictures of one forward pass have in common; everything else may differ."""

Progress = Callable[[int, int], None]
"""Called after each step with the number of steps done and of all steps."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """One picture.

    Attributes:
        image: RGB uint8 (height, width, 3).
        seed: draws this picture again, alone or among others, up to rounding in the last digits.
        similarity: cosine to the person by the guide, in [-1, 1]; None if no face was found or nobody was asked for.
            It tells whether a picture went wrong, not how good the model is: the guide took part in training.
        settings: what it was drawn with, nothing left open.
    """

    image: np.ndarray
    seed: int
    similarity: float | None
    settings: PortraitSettings


@dataclass(frozen=True, eq=False)
class Order:
    """Pictures of one person, to be drawn alone or beside those of others.

    Attributes:
        identity: the person; None only with ``adapter_scale=0``.
        settings: what the pictures show, and how.
    """

    identity: Identity | None
    settings: PortraitSettings

    @property
    def seeds(self) -> range:
        """One per picture."""
        return range(self.settings.seed, self.settings.seed + self.settings.count)


Row = tuple[Order, int]
"""One picture of a forward pass: its order and its seed."""


class Studio:
    """A base with its face adapter, ready to draw; serves one call at a time.

    Attributes:
        similarity_space: the feature space in which results are compared with the person.
    """

    similarity_space = GUIDE_SPACE

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly

    @classmethod
    def open(
        cls,
        name: str | os.PathLike[str],
        *,
        adapter: str | os.PathLike[str] | None = None,
        encoder: str | os.PathLike[str] | None = None,
        device: str | torch.device | None = None,
    ) -> "Studio":
        """Open a model; the network is used only for a hub name.

        Args:
            name: "miniature"; or the folder of a miniature, of Stable Diffusion 1.5 or XL in diffusers format; or a
                hub name like "owner/model".
            adapter: a FACT checkpoint for that base; a miniature brings its own.
            encoder: the face encoder the adapter reads; a miniature brings its own.
            device: the best there is if None.

        Raises:
            CheckpointError: a file is missing, broken, a pickle or of another kind.
            AdapterError: the adapter was made for another base.
            FeatureSpaceError: the encoder is not the one the adapter was trained with.
            ConfigError: there is no such device.
        """
        return cls(assemble(name, adapter=adapter, encoder=encoder, device=device))

    @property
    def pipeline(self) -> "StableDiffusionPipeline | StableDiffusionXLPipeline":
        """The base as a stock diffusers pipeline; between two calls nothing of Limner is in it."""
        return self.assembly.base.pipeline

    @property
    def licences(self) -> tuple[str, ...]:
        """Names of licence records, or terms in words, of base, adapter and encoder."""
        return self.assembly.licences

    def identity(self, photos: Photo | Sequence[Photo], *, face_index: int | Sequence[int] | None = None) -> Identity:
        """Learn a person with the recognisers this model needs; see :meth:`Identity.from_photos`.

        Raises:
            ImageError: a photo cannot be read.
            FaceError: a photo has no usable face, or shows somebody else than the others.
            FeatureSpaceError: the adapter's encoder was not given.
        """
        recognizers: list[Recognizer] = [self._guide]
        if self.assembly.adapter is not None:
            recognizers.append(self.assembly.adapter.recognizer())
        return Identity.from_photos(photos, face_index=face_index, analyzer=self.analyzer, recognizers=recognizers)

    def portrait(
        self, identity: Identity | None, prompt: str, *, progress: Progress | None = None, **settings: Any
    ) -> list[Portrait]:
        """Draw a person.

        Args:
            identity: the person; None only with ``adapter_scale=0``.
            prompt: what the pictures show.
            progress: told after each step.
            settings: count, seed, num_steps, guidance_scale, adapter_scale, negative_prompt, height, width; see
                :class:`~limner.apps.settings.PortraitSettings`.

        Returns:
            ``count`` pictures; picture ``i`` has the seed ``seed + i`` and does not depend on ``count``.

        Raises:
            PromptError: the prompt has no words.
            ConfigError: a setting is unknown or out of range.
            AdapterError: a person is asked for and the model has no face adapter.
            FeatureSpaceError: the identity lacks the features that the adapter reads.
        """
        return self.draw(identity, PortraitSettings.of(prompt=prompt, **settings), progress=progress)

    def draw(
        self, identity: Identity | None, settings: PortraitSettings, *, progress: Progress | None = None
    ) -> list[Portrait]:
        """The same with settings that were checked before; raises the last two of the errors."""
        return self.draw_together([Order(identity, settings)], progress=progress)[0]

    def draw_together(self, orders: Sequence[Order], *, progress: Progress | None = None) -> list[list[Portrait]]:
        """Draw several people, prompts and seeds in the same forward passes; a list of pictures per order.

        Each picture is the one that its order alone would give, up to rounding in the last digits.

        Raises:
            ConfigError: the orders differ in something that holds for a whole pass; the message names it.
            AdapterError, FeatureSpaceError: as :meth:`portrait`.
        """
        orders = [Order(order.identity, self._complete(order.settings)) for order in orders]
        for order in orders:
            _require_same_pass(orders[0].settings, order.settings)
        rows = [(order, seed) for order in orders for seed in order.seeds]
        with quiet_libraries():
            images = iter(list(self._images(rows, progress)))
        return [self._portraits(order, [next(images) for _ in order.seeds]) for order in orders]

    @cached_property
    def analyzer(self) -> FaceAnalyzer:
        """Finds and measures faces in photos and in pictures."""
        return FaceAnalyzer()

    @cached_property
    def _guide(self) -> GuideRecognizer:
        return GuideRecognizer()

    def _complete(self, settings: PortraitSettings) -> PortraitSettings:
        base = self.assembly.base
        own = base.pipeline.unet.config["sample_size"] * base.pipeline.vae_scale_factor
        return settings.model_copy(
            update={
                "guidance_scale": settings.guidance_scale or base.guidance_scale,
                "height": settings.height or own,
                "width": settings.width or own,
            }
        )

    def _showing(self, rows: Sequence[Row]) -> AbstractContextManager[None]:
        settings = rows[0][0].settings
        if settings.adapter_scale == 0:
            return nullcontext()
        adapter = self.assembly.adapter
        if adapter is None:
            raise AdapterError(
                f"{self.assembly.base.name} has no face adapter, so it cannot draw a given person; name one "
                "(adapter=..., --adapter), or draw anybody with adapter_scale=0 (--scale 0)"
            )
        people = [order.identity for order, _ in rows if order.identity is not None]
        if len(people) < len(rows):
            raise AdapterError(
                "no person was given; give an identity, or draw anybody with adapter_scale=0 (--scale 0)"
            )
        assert settings.guidance_scale is not None
        # As the stock pipelines decide it: distilled models take the guidance as an input instead.
        distilled = self.pipeline.unet.config["time_cond_proj_dim"] is not None
        guided = settings.guidance_scale > 1 and not distilled
        # One person is shown once for all rows, so that their keys and values are computed once.
        people = people[:1] if all(person is people[0] for person in people) else people
        return adapter.conditioned(self.assembly.base, people, scale=settings.adapter_scale, guided=guided)

    def _images(self, rows: Sequence[Row], progress: Progress | None) -> Iterator[np.ndarray]:
        settings = rows[0][0].settings
        assert settings.height is not None
        assert settings.width is not None
        room = MAX_PIXELS_PER_CALL // (settings.height * settings.width)
        size = max(min(room, MAX_PICTURES_PER_CALL), 1)
        chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
        for number, chunk in enumerate(chunks):
            with self._showing(chunk):
                pictures = self._call(chunk, _step_counter(progress, number, len(chunks)))
            yield from pictures

    def _call(self, rows: Sequence[Row], on_step_end: Callable[..., dict]) -> np.ndarray:
        pipeline: Any = self.pipeline  # the annotations of its callback are narrower than its documentation
        settings = rows[0][0].settings
        negatives = [order.settings.negative_prompt for order, _ in rows]
        output = pipeline(
            prompt=[order.settings.prompt for order, _ in rows],
            negative_prompt=negatives if any(negatives) else None,
            generator=[torch.Generator().manual_seed(seed) for _, seed in rows],
            num_inference_steps=settings.num_steps,
            guidance_scale=settings.guidance_scale,
            height=settings.height,
            width=settings.width,
            output_type="np",
            callback_on_step_end=on_step_end,
            callback_on_step_end_tensor_inputs=[],
        )
        return (output.images * 255).round().astype(np.uint8)

    def _portraits(self, order: Order, images: Sequence[np.ndarray]) -> list[Portrait]:
        similarities = self._similarities(images, order.identity)
        return [Portrait(*one, order.settings) for one in zip(images, order.seeds, similarities, strict=True)]

    def _similarities(self, images: Sequence[np.ndarray], identity: Identity | None) -> list[float | None]:
        if identity is None or self.similarity_space not in identity.features:
            return [None] * len(images)
        person = identity.features_in(self.similarity_space).identity_embedding
        results: list[float | None] = []
        for image in images:
            faces = self.analyzer.detect(image)
            if faces:
                aligned = self._guide.align(image, select_face(faces))
                results.append(float(similarity(self._guide.embed([aligned])[0], person)))
            else:
                results.append(None)
        return results


def _require_same_pass(first: PortraitSettings, other: PortraitSettings) -> None:
    for name in PASS_SETTINGS:
        mine, yours = getattr(first, name), getattr(other, name)
        if mine != yours:
            raise ConfigError(f"{name} is {mine} in one order and {yours} in another; draw those one after the other")


def _step_counter(progress: Progress | None, chunk: int, num_chunks: int) -> Callable[..., dict]:
    def on_step_end(pipeline: Any, step: int, timestep: Any, tensors: dict) -> dict:
        if progress is not None:
            # Some samplers take more steps than they were asked for.
            progress(chunk * pipeline.num_timesteps + step + 1, num_chunks * pipeline.num_timesteps)
        return tensors

    return on_step_end
