"""The front door: a person and a sentence in, portraits out.

identity = Identity.from_photos(["me.jpg"])
Studio.open("miniature").portrait(identity, "a photo of a person, smiling", count=4, seed=7)
"""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from limner.apps.assembly import Assembly, assemble
from limner.apps.completion import Completed, completed
from limner.apps.control import Control, open_control, open_own_pose
from limner.apps.drawing import Progress
from limner.apps.glasses import own_glasses
from limner.apps.groups import Box, GroupPortrait, draw_group
from limner.apps.guard import Guard
from limner.apps.identity_memory import IdentityMemory
from limner.apps.inpainting import Scene, inpaint
from limner.apps.portraits import Order, Portrait, draw_orders
from limner.apps.settings import DEFAULT_PROMPT, Dials, GroupSettings, InpaintSettings, PortraitSettings
from limner.apps.styles import find_style
from limner.core.errors import RefusedError
from limner.data.invented_people import described
from limner.faces.analysis import FaceAnalyzer
from limner.faces.conditions import Kind
from limner.faces.detection import select_face
from limner.faces.face import Face
from limner.identity.enrolment import Photo
from limner.identity.identity import Identity
from limner.identity.recognition import GUIDE_SPACE, GuideRecognizer, Recognizer
from limner.identity.recognition import similarity as cosine

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

ENROLLING = ("yunet", "facemesh", "bisenetv2", "lightqnet")
"""Licence records of the networks that look at photos, besides the recognisers."""
MEASURING = ("yunet", "fr_feature", "open-nsfw")
"""Licence records of the networks that look at what was drawn."""


class Studio:
    """A base with its face adapter, ready to draw; serves one call at a time.

    What was made of photos and sentences is kept for later calls, within bounds, until :meth:`close`.

    Attributes:
        guard: refuses what the rules of safety forbid.
        similarity_space: the feature space in which results are compared with the person.
    """

    similarity_space = GUIDE_SPACE

    def __init__(self, assembly: Assembly, guard: Guard | None = None) -> None:
        self.assembly = assembly
        self.guard = Guard() if guard is None else guard
        self._identities = IdentityMemory()

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget people and sentences, and keep none from now on; the networks that look at photos go, too."""
        self._identities.close()
        self.assembly.close()
        for name in ("analyzer", "_guide", "_encoder"):
            self.__dict__.pop(name, None)

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
        """The base as a stock diffusers pipeline; between two calls nothing of Limner is in it, unless compiled."""
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
            RefusedError: a photo is explicit.
        """
        adapter = self.assembly.adapter
        recognizers = [self._guide, *([] if adapter is None else [self._encoder])]
        return self._identities.enrolled(
            photos,
            # The rules too: a photo that they allowed then may be forbidden now.
            (face_index, self.guard.settings, adapter and adapter.encoder_path),
            lambda: self.guard.enrol(photos, face_index=face_index, analyzer=self.analyzer, recognizers=recognizers),
        )

    def portrait(
        self,
        identity: Identity | None,
        prompt: str,
        *,
        start: Photo | None = None,
        control: Control | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> list[Portrait]:
        """Draw a person.

        Args:
            identity: the person; None only with ``adapter_scale=0``.
            prompt: what the pictures show.
            start: a picture to begin from, cut to the size of the portrait; ``strength`` says how much of it goes.
            control: a ControlNet and the photo whose pose it follows, see :meth:`control` and :meth:`pose`.
            progress: told after each step.
            settings: count, seed, num_steps, guidance_scale, adapter_scale, negative_prompt, height, width and the
                other dials; see :class:`~limner.apps.settings.PortraitSettings`.

        Returns:
            ``count`` pictures; picture ``i`` has the seed ``seed + i`` and does not depend on ``count``. With
            ``best_of`` they are chosen from as many times more, the one most like the person first.

        Raises:
            PromptError: the prompt has no words.
            ConfigError: a setting is unknown or out of range.
            ImageError: ``start`` cannot be read.
            NoFaceError: the photo to follow has no face.
            AdapterError: a person is asked for and the model has no face adapter; or a block scale names no block.
            FeatureSpaceError: the identity lacks the features that the adapter reads.
            RefusedError: a rule of safety forbids the sentence, the person or a picture; see docs/trust.md.
        """
        checked = PortraitSettings.of(prompt=prompt, **settings)
        return self.draw(identity, checked, start=start, control=control, progress=progress)

    def draw(
        self,
        identity: Identity | None,
        settings: PortraitSettings,
        *,
        start: Photo | None = None,
        control: Control | None = None,
        progress: Progress | None = None,
    ) -> list[Portrait]:
        """The same with settings that were checked before; raises the other errors."""
        order = Order(identity, self.completed(settings))
        [drawn] = draw_orders(self, [order], start=start, control=control, progress=progress)
        if isinstance(drawn, RefusedError):
            raise drawn
        return drawn

    def draw_together(
        self, orders: Sequence[Order], *, progress: Progress | None = None
    ) -> list[list[Portrait] | RefusedError]:
        """Draw several people, prompts and seeds in the same passes.

        Returns:
            For each order its pictures, each the one that the order alone would give, up to rounding in the last
            digits; or why the rules of safety refuse it, which does not stop the others.

        Raises:
            ConfigError: the orders differ in something that holds for a whole pass; the message names it.
            AdapterError, FeatureSpaceError: as :meth:`portrait`.
        """
        complete = [Order(order.identity, self.completed(order.settings)) for order in orders]
        return draw_orders(self, complete, progress=progress)

    def control(
        self, network: str | os.PathLike[str], photo: Photo, *, kind: Kind = "landmarks", scale: float = 1.0
    ) -> Control:
        """A ControlNet made for this base, and a photo to follow; see :func:`limner.apps.control.open_control`."""
        return open_control(network, photo, self.assembly.base, kind=kind, scale=scale)

    def pose(self, photo: Photo, *, scale: float = 1.0) -> Control:
        """The model's own ControlNet and a photo to follow; see :func:`limner.apps.control.open_own_pose`."""
        return open_own_pose(photo, self.assembly.base, scale=scale)

    def inpaint(
        self,
        people: Sequence[Identity],
        template: Photo,
        prompt: str = DEFAULT_PROMPT,
        *,
        assign: Sequence[int] | None = None,
        mask: Photo | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> list[Scene]:
        """Put people into a picture; nothing but their faces' (or heads') regions changes, bit for bit.

        Args:
            people: one for each face that is to change.
            template: the picture, of any size.
            prompt: what is to be seen in the regions.
            assign: for each person the number of a face of the template, 0 the leftmost. The template's largest faces
                from left to right if None.
            mask: bright where the picture may change, of the template's size, instead of the parsed region.
            progress: told after each step.
            settings: ``region``, ``strength`` and the dials of :class:`~limner.apps.settings.InpaintSettings`.

        Returns:
            ``count`` pictures of the template's size.

        Raises:
            ImageError: template or mask cannot be read.
            FaceError: the template has no face, or fewer than there are people; or nothing of one may change.
            FaceIndexError: ``assign`` names a face that is not there, or one twice.
            ConfigError: a setting is unknown or out of range, or the mask is of another size.
            AdapterError, FeatureSpaceError: as :meth:`portrait`.
        """
        checked = self.completed(InpaintSettings.of(prompt=prompt, **settings))
        return inpaint(self, people, template, checked, assign=assign, mask=mask, progress=progress)

    def group(
        self,
        people: Sequence[Identity],
        prompt: str,
        *,
        boxes: Sequence[Box] | None = None,
        masks: Sequence[Photo] | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> list[GroupPortrait]:
        """Draw several people in one picture, each shown in a region of their own.

        Args:
            people: at most six.
            prompt: what the picture shows, the number of people included.
            boxes: left, top, right and bottom for each person, as shares of the picture. Equal columns from left to
                right if neither boxes nor masks are given.
            masks: for each person a picture of the portrait's size, bright where they are shown.
            progress: told after each step.
            settings: as for :meth:`portrait`, and ``retries``. With ``best_of`` those pictures are kept in which most
                people are where they belong, and the least similar of them is most like themselves.

        Returns:
            ``count`` pictures; faces and people are matched one to one. The region of somebody who is not found there
            is drawn again, and nothing else of the picture changes; of the two the better stays.

        Raises:
            ConfigError: a setting or a region is out of range, or there is not one region for each person.
            PromptError, AdapterError, FeatureSpaceError: as :meth:`portrait`.
        """
        checked = self.completed(GroupSettings.of(prompt=prompt, **settings))
        return draw_group(self, people, checked, boxes=boxes, masks=masks, progress=progress)

    def completed(self, settings: Completed) -> Completed:
        """Settings with the style's and the base's own values where nothing was asked for.

        Raises:
            ConfigError: the style is unknown or malformed, or for another base; or a dial was asked for and nobody has
                measured what it does with this adapter; or the base or the style cannot be fast.
        """
        return completed(settings, self.assembly, pixels=self.pixels)

    def words(self, settings: Dials, person: Identity | None = None) -> tuple[str, str]:
        """Prompt and negative prompt as the base reads them, with the words of the style and with what the person's
        photos say of glasses. In the place of an invented person's name, which means nothing to a base, stands what
        they are.

        Raises:
            ConfigError: the style is unknown or malformed.
        """
        prompt, negative = described(settings.prompt), settings.negative_prompt
        if settings.style is not None:
            found = find_style(settings.style, settings.styles)
            prompt, negative = found.words(prompt, negative, self.assembly.base.kind)
        if person is None or settings.glasses == "words":
            return prompt, negative
        guided = settings.guidance_scale is None or settings.guidance_scale > 1
        return own_glasses(prompt, negative, person.glasses, guided=guided)

    @property
    def pixels(self) -> int:
        """Side of the pictures that the base was made for."""
        return self.pipeline.unet.config["sample_size"] * self.pipeline.vae_scale_factor

    @cached_property
    def analyzer(self) -> FaceAnalyzer:
        """Finds and measures faces in photos and in pictures."""
        return FaceAnalyzer()

    @cached_property
    def _encoder(self) -> Recognizer:
        assert self.assembly.adapter is not None
        return self.assembly.adapter.recognizer()

    @cached_property
    def _guide(self) -> GuideRecognizer:
        return GuideRecognizer()

    def similarity(self, image: np.ndarray, person: Identity | None, face: Face | None = None) -> float | None:
        """Cosine of a face, the largest if None, to a person by the guide; None where either is missing."""
        if person is None or self.similarity_space not in person.features:
            return None
        if face is None:
            faces = self.analyzer.detect(image)
            if not faces:
                return None
            face = select_face(faces)
        aligned = self._guide.align(image, face)
        known = person.features_in(self.similarity_space).identity_embedding
        return float(cosine(self._guide.embed([aligned])[0], known))
