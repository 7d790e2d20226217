"""A face adapter for people who bring their own diffusers pipeline.

adapter = FaceAdapter.from_pretrained("fact.safetensors", encoder="transface.safetensors")
person = adapter.identity("me.jpg")
with adapter.injected(pipeline.unet), adapter.conditioned(person):
    image = pipeline("a photo of a person, smiling").images[0]
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import torch

from limner.adapters.projectors import stack_photos
from limner.apps.assembly import ADAPTER_FILE, ENCODER_FILE, open_detached, open_system
from limner.apps.bases import MINIATURE, is_hub_name
from limner.apps.guard import Guard
from limner.apps.settings import DEFAULT_PROMPT
from limner.core.assets import WEIGHTS
from limner.core.checkpoint import Header, read_header
from limner.core.errors import AdapterError, CheckpointError, FeatureSpaceError, NotInjectedError
from limner.identity.encoder import MINIATURE_ENCODER, EncoderRecognizer
from limner.identity.enrolment import Photo
from limner.identity.identity import Identity
from limner.identity.recognition import GuideRecognizer


class FaceAdapter:
    """A trained adapter, loaded into a pipeline's UNet when it is injected, and gone without a trace afterwards.

    Serves one call at a time. Only the rules of safety that concern the person are applied here; sentences and pictures
    are the caller's, see docs/howto-diffusers.md.

    Args:
        path: the adapter's file.
        encoder: the face encoder it reads; None if all people come from identity cards.

    Raises:
        CheckpointError: a file is missing, broken or of another kind.
        FeatureSpaceError: the encoder is not the one the adapter was trained with.
    """

    def __init__(self, path: str | os.PathLike[str], encoder: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path)
        self.header: Header = read_header(self.path)
        self.encoder_path = None if encoder is None else Path(encoder)
        if self.encoder_path is not None and read_header(self.encoder_path).feature_space != self.feature_space:
            raise FeatureSpaceError(
                f"{encoder} makes features of {read_header(self.encoder_path).feature_space!r}, {path} reads "
                f"{self.feature_space!r}; give the encoder that this adapter was trained with"
            )
        self._system: Any = None

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        encoder: str | os.PathLike[str] | None = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """Find an adapter; the network is used only for a hub name.

        Args:
            name: its file; a folder that holds ``adapter.safetensors``, and ``encoder.safetensors`` if it has one of
                its own; "miniature"; or a hub name like "owner/model" of such a folder.
            encoder: the face encoder; the folder's own, or the packaged one where that fits, if None.
            revision, cache_dir, token, local_files_only: as everywhere with the hub.

        Raises:
            CheckpointError: it is not there, broken or of another kind.
            FeatureSpaceError: the encoder is not the one the adapter was trained with.
        """
        place = WEIGHTS / MINIATURE if name == MINIATURE else Path(name)
        if not place.exists() and is_hub_name(os.fspath(name)):
            hub = {"revision": revision, "cache_dir": cache_dir, "token": token, "local_files_only": local_files_only}
            place = _from_hub(os.fspath(name), hub)
        path = place / ADAPTER_FILE if place.is_dir() else place
        return cls(path, _encoder_beside(path, place) if encoder is None else encoder)

    @property
    def feature_space(self) -> str:
        """The space of the face features it reads."""
        return str(self.header.feature_space)

    @property
    def licences(self) -> tuple[str, ...]:
        """Names of licence records, or terms in words, of the adapter and its encoder."""
        encoder = () if self.encoder_path is None else (read_header(self.encoder_path).licence,)
        return (self.header.licence, *encoder)

    def identity(self, photos: Photo | Sequence[Photo], **options: Any) -> Identity:
        """Learn a person with the encoder that this adapter reads.

        Args:
            options: face_index, consent, origin and licence, see :meth:`Identity.from_photos`.

        Raises:
            FeatureSpaceError: the encoder was not given.
            ImageError, FaceError, RefusedError: a photo cannot be used; the message names it.
        """
        if self.encoder_path is None:
            raise FeatureSpaceError(
                f"{self.path} reads faces in {self.feature_space!r} and no encoder of that space was given; give its "
                "file as encoder, or an identity card made with it"
            )
        return Guard().enrol(photos, recognizers=[GuideRecognizer(), EncoderRecognizer(self.encoder_path)], **options)

    @contextmanager
    def injected(self, backbone: Any) -> Iterator[Self]:
        """Sit in a diffusers UNet for the length of a block; it comes out as it was, after errors, too.

        Raises:
            AdapterError: the adapter was made for another backbone, or sits in one already.
        """
        if self._system is None:
            self._system = open_system(self.path, backbone)
        self._system.to(backbone.device, backbone.dtype)
        with self._system.adapter.injected(backbone):
            yield self

    @contextmanager
    def conditioned(
        self,
        people: Identity | Sequence[Identity],
        *,
        scale: float = 0.8,
        face_guidance: Literal["dropped", "shared"] = "dropped",
        guided: bool | None = None,
        block_scales: Mapping[str, float] | None = None,
        window: tuple[float, float] = (0.0, 1.0),
    ) -> Iterator[None]:
        """Show the pipeline these people for the length of a block.

        Args:
            people: one person for all pictures, or one for each prompt.
            scale: how strongly they are kept; 0 is the pipeline without a face, bit for bit.
            face_guidance: what the unguided half of each step sees: no face, or the person.
            guided: False where the pipeline is called without guidance (``guidance_scale=1``) and draws several
                pictures of a person at once; it is told by the number of rows otherwise.
            block_scales, window: see docs/howto-dials.md.

        Raises:
            NotInjectedError: it sits in no backbone.
            FeatureSpaceError: an identity lacks the features that the adapter reads.
            RefusedError: a person's consent is over, or they opted out.
        """
        if self._system is None or not self._system.adapter.is_injected:
            raise NotInjectedError(
                "the adapter sits in no backbone; write: with adapter.injected(pipeline.unet), adapter.conditioned(...)"
            )
        shown = [people] if isinstance(people, Identity) else list(people)
        for person in shown:
            Guard().request(DEFAULT_PROMPT, person)
        weight = next(self._system.parameters())
        features, photo_mask = stack_photos(
            [self._tokens(person).to(weight.device, weight.dtype) for person in shown],
            [person.photo_weights for person in shown],
        )
        with (
            torch.no_grad(),
            self._system.conditioned(
                features,
                photo_mask=photo_mask,
                face_guidance=face_guidance,
                guided=guided,
                scale=scale,
                block_scales=block_scales,
                window=window,
            ),
        ):
            yield

    def shown_elsewhere(self, person: Identity) -> tuple[Any, torch.Tensor]:
        """A FACT model of its own for a backbone that is no diffusers model, and a person's features for it.

        Returns:
            The model on the CPU, and ``(1, photos, patches, width)``.

        Raises:
            CheckpointError: the file holds another system than FACT.
            AdapterError: it was trained as an ablation whose attention stands beside the text's, not before it.
            FeatureSpaceError, RefusedError: as :meth:`conditioned`.
        """
        Guard().request(DEFAULT_PROMPT, person)
        fact = open_detached(self.path)
        if fact.config.order != "sequential":
            raise AdapterError(f"{self.path} was trained in the order {fact.config.order!r}; only FACT's own fits here")
        return fact, self._tokens(person)[None]

    def _tokens(self, person: Identity) -> torch.Tensor:
        tokens = person.features_in(self.feature_space).tokens
        if tokens is None:
            raise FeatureSpaceError(
                f"the identity has no patch tokens in {self.feature_space!r}; make it again from the photos"
            )
        return tokens


def _encoder_beside(path: Path, place: Path) -> Path | None:
    """The folder's own encoder, or the packaged one, where it makes what the adapter reads."""
    wanted = read_header(path).feature_space
    candidates = [place / ENCODER_FILE] if place.is_dir() else []
    for candidate in [*candidates, WEIGHTS / MINIATURE_ENCODER]:
        if candidate.is_file() and read_header(candidate).feature_space == wanted:
            return candidate
    return None


def _from_hub(name: str, options: dict[str, Any]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=[ADAPTER_FILE, ENCODER_FILE], **options))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(f"the adapter {name!r} cannot be fetched ({error}); give its file or folder") from error
