"""FACT's adapter: gated face attention in each text-attention block of a frozen backbone.

After FaceChain-FACT (arXiv:2410.12312). Use::

    adapter = GatedFaceAdapter.for_backbone(pipeline.unet, face_channels=768)
    with adapter.injected(pipeline.unet), adapter.conditioned(face_tokens, null_tokens):
        pipeline("a photo of a person, smiling")

Injected but not conditioned, or at scale 0, it does nothing at all. One adapter serves one call at a time.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from limner.adapters.attention import GatedFaceAttention
from limner.adapters.life_cycle import SeamAdapter
from limner.adapters.place import Place
from limner.adapters.seam import Blocks, Seam, Site, find_sites

Order = Literal["sequential", "parallel"]
"""Whether the block's text attention reads what the face added (FACT) or what was there before (an ablation)."""


class GatedFaceAdapter(SeamAdapter):
    """One :class:`GatedFaceAttention` per site. Fresh, it leaves the backbone's output unchanged: its gates are shut.

    Attributes:
        order: "sequential" or "parallel" to the block's text attention.
    """

    def __init__(self, sites: Sequence[Site], face_channels: int, *, order: Order = "sequential") -> None:
        super().__init__(sites, face_channels)
        self.order = order

    @classmethod
    def for_backbone(
        cls, backbone: nn.Module, *, face_channels: int, blocks: Blocks = "all", order: Order = "sequential"
    ) -> Self:
        """A fresh adapter for a diffusers model; the model is only looked at.

        Args:
            backbone: any diffusers model with text-attention blocks.
            face_channels: width of the face tokens.
            blocks: "all", or "first" for the first block of each stack.
            order: "sequential" or "parallel" to the block's text attention.

        Raises:
            TargetNotFoundError: the model has no such block.
        """
        return cls(find_sites(backbone, blocks=blocks), face_channels, order=order)

    def layer(self, name: str) -> GatedFaceAttention:
        """The layer that enters the block at this path."""
        layer = self.layers.get_submodule(name)
        assert isinstance(layer, GatedFaceAttention)
        return layer

    def new_layer(self, site: Site) -> GatedFaceAttention:
        return GatedFaceAttention(site.channels, self.face_channels, heads=site.heads)

    def attach(self, place: Place, seam: Seam) -> list[RemovableHandle]:
        return seam.attach(partial(self._enter, place), place.taken, text_reads=self.order == "sequential")

    def _enter(self, place: Place, hidden: Tensor) -> Tensor | None:
        place.pending = self.increment(place, hidden, hidden, place.layer)
        return place.pending
