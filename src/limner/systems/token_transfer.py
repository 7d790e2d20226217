"""Moving an adapter to another face encoder: its projector learns to say of every face what it said before.

The layers in the backbone read the projector's tokens only, so they go on as they are, and the adapter's own training
continues instead of beginning again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from limner.systems.contract import Batch, FaceAdapterSystem, LossTerms, Plan


class TokenTransfer:
    """The loss of a step; ``module`` holds the system's projector."""

    def __init__(self, system: FaceAdapterSystem, features: Tensor, said: Tensor, *, batch: int) -> None:
        """Keep both.

        Args:
            features: of the new encoder, ``(faces, patches, width)``.
            said: face tokens of the same faces by the old encoder and projector, ``(faces, tokens, context_width)``.
            batch: faces of a step.
        """
        self.system, self.features, self.said, self.batch = system, features, said, batch
        self.module = nn.ModuleDict({"projector": system.projector})
        self.frozen: Sequence[nn.Module] = ()
        self._spread = said.float().var(dim=0).mean().clamp_min(1e-6)

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing is frozen: what the old projector said is kept."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Which faces are shown."""
        return {"face": torch.randint(len(self.features), (self.batch,), generator=rng)}

    def collate(self, plan: Plan) -> Batch:
        """Features, and what is to be said of them."""
        return {"features": self.features[plan["face"]].float(), "said": self.said[plan["face"]].float()}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``tokens``: squared error as a share of how much tokens differ between faces."""
        tokens = self.system.face_tokens(batch["features"][:, None])
        return {"tokens": (tokens - batch["said"]).square().mean() / self._spread.to(tokens)}


@torch.no_grad()
def tokens_said(system: FaceAdapterSystem, features: Tensor, *, chunk: int = 256) -> Tensor:
    """Face tokens ``(faces, tokens, context_width)`` float16 of features ``(faces, patches, width)``."""
    return torch.cat([system.face_tokens(part.float()[:, None]).half() for part in features.split(chunk)])
