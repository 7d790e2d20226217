"""Which marks are set and which rules hold: all, unless a file says otherwise."""

import os
from pathlib import Path
from typing import Self

from limner.core.config import Config
from limner.trust.folder import data_folder

VARIABLE = "LIMNER_TRUST_SETTINGS"
NAME = "trust.toml"


class TrustSettings(Config):
    """One switch per mark and per rule; the audit log names those that are off with every picture.

    Attributes:
        manifest: pictures carry a signed manifest.
        watermark: pictures carry an imperceptible watermark.
        explicit_content: explicit pictures and requests are refused, coming in and going out.
        minors: people who look like minors are refused in unsafe contexts.
        opt_outs: people who opted out are refused.
        consent: cards whose consent is expired or revoked are refused.
    """

    manifest: bool = True
    watermark: bool = True
    explicit_content: bool = True
    minors: bool = True
    opt_outs: bool = True
    consent: bool = True

    @classmethod
    def current(cls) -> Self:
        """The file named by ``LIMNER_TRUST_SETTINGS``, else ``trust.toml`` in the data folder, else all on.

        Raises:
            ConfigError: the file is missing though it was named, or holds something else than these switches.
        """
        named = os.environ.get(VARIABLE)
        path = Path(named) if named else data_folder() / NAME
        return cls.read(path) if named or path.exists() else cls()

    @property
    def off(self) -> list[str]:
        """Names of the switches that are off."""
        return [name for name, on in self.model_dump().items() if not on]
