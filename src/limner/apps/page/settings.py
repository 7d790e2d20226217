"""What whoever starts the page decides."""

from dataclasses import dataclass, field
from pathlib import Path

from limner.apps.model_choice import ModelChoice


@dataclass(frozen=True)
class PageSettings:
    """Everything about a page but its address.

    Attributes:
        choice: the model that draws.
        people: folder of the identity cards; ``people`` in Limner's own data folder if None.
        adapters: folder with more face adapters of this model, for the comparison; none if None.
        styles: folder with styles of the user's own.
    """

    choice: ModelChoice = field(default_factory=ModelChoice)
    people: Path | None = None
    adapters: Path | None = None
    styles: Path | None = None
