"""What frozen networks make of a batch: taken from the batch where it was kept from before, or else computed now."""

import torch
from torch import Tensor

from limner.diffusion.backbone import StableDiffusionBackbone, TextStates
from limner.identity.vit import FaceViT
from limner.systems.contract import Batch
from limner.systems.portraits import CONTEXT, FACES, FEATURES, LATENTS, PICTURES, POOLED


class FrozenInputs:
    """Latents, text states and face features of a batch, see :class:`limner.systems.portraits.Portraits`."""

    def __init__(self, backbone: StableDiffusionBackbone, encoder: FaceViT | None) -> None:
        """``encoder``: None where batches come with features."""
        self._backbone, self._encoder = backbone, encoder
        self._empty: TextStates | None = None

    def latents(self, batch: Batch) -> Tensor:
        """``(rows, channels, height, width)`` float32."""
        if LATENTS in batch:
            return batch[LATENTS].float()
        return self._backbone.encode_pictures(batch[PICTURES])

    def text(self, batch: Batch) -> TextStates:
        """The sentences; the empty one in rows that do not keep theirs."""
        if CONTEXT in batch:
            pooled = batch.get(POOLED)
            states = TextStates(batch[CONTEXT].float(), None if pooled is None else pooled.float())
            return states.where(batch["keep_text"], self.empty_text(batch[CONTEXT].device))
        return self._backbone.encode_text({name: batch[name] for name in self._backbone.tokenizer_names})

    def empty_text(self, device: torch.device) -> TextStates:
        """The empty sentence, one row; encoded once."""
        if self._empty is None:
            ids = {name: rows.to(device) for name, rows in self._backbone.tokenize([""]).items()}
            self._empty = self._backbone.encode_text(ids)
        return self._empty

    def face_features(self, batch: Batch) -> Tensor:
        """``(rows, 1, patches, width)``; all zero, which is no face, in rows that do not keep theirs."""
        if FEATURES in batch:
            features = batch[FEATURES].float()
        else:
            assert self._encoder is not None, "faces without features need an encoder"
            with torch.no_grad():
                features = self._encoder.tokens(batch[FACES].float() / 127.5 - 1).float()
        return (features * batch["keep_face"][:, None, None])[:, None]
