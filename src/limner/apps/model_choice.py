"""Which model a job uses and on what terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limner.core.licences import require_commercial

if TYPE_CHECKING:
    from limner.apps.studio import Studio


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """What every job that draws is told about the model; see :meth:`limner.apps.studio.Studio.open`.

    Attributes:
        commercial: refuse networks that forbid commercial use.
        opened: the model, by somebody who keeps it open from job to job.
    """

    model: str = "miniature"
    adapter: Path | None = None
    encoder: Path | None = None
    device: str | None = None
    commercial: bool = False
    opened: "Studio | None" = None

    def open(self) -> "Studio":
        """The model, ready to draw."""
        if self.opened is not None:
            return self.opened
        from limner.apps.studio import Studio

        return Studio.open(self.model, adapter=self.adapter, encoder=self.encoder, device=self.device)

    def require_terms(self, licences: Sequence[str]) -> None:
        """Refuse what the chosen use does not allow.

        Raises:
            LicenceError: commercial use was asked for and something forbids it.
        """
        if self.commercial:
            require_commercial(licences)
