"""What all tabs share: the model, kept open; a private folder; the work that is going on; the people and the styles."""

import shutil
import tempfile
import threading
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from limner.apps.model_choice import ModelChoice
from limner.apps.page.people import People
from limner.apps.page.runs import Runs
from limner.apps.page.settings import PageSettings
from limner.apps.style_pictures import can_draw
from limner.apps.styles import FoundStyle, all_styles
from limner.core.errors import ConfigError
from limner.trust.folder import private_folder

if TYPE_CHECKING:
    from limner.apps.studio import Studio

PEOPLE = "people"
FILES, RESULTS = "files", "results"
KEPT_RESULTS = 100
"""Folders of results; more than anybody draws at the same time."""


class Workbench:
    """One for each page; :meth:`close` removes everything that was handed in and drawn.

    Attributes:
        folder: private, of everything that is handed in and drawn; gone when the page ends.
        runs: the work that is going on.
        people: the identity cards.
    """

    def __init__(self, settings: PageSettings) -> None:
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="limner-page-")).resolve()  # mkdtemp closes it to others
        for name in (FILES, RESULTS):
            (self.folder / name).mkdir()
        self.runs = Runs()
        self.people = People(settings.people or private_folder() / PEOPLE)
        self._opening = threading.Lock()
        self._others: dict[Path, Studio] = {}

    @property
    def files(self) -> Path:
        """Where the browser's files lie, those handed in and those shown."""
        return self.folder / FILES

    def new_folder(self) -> Path:
        """A folder for results, named by chance; the oldest go, so that a page left open does not fill the disk.

        What a browser shows was copied to :attr:`files` before, where gradio removes it after a day.
        """
        before = sorted((self.folder / RESULTS).iterdir(), key=lambda folder: folder.stat().st_mtime)
        for old in before[:-KEPT_RESULTS]:
            shutil.rmtree(old, ignore_errors=True)
        return self.folder / RESULTS / token_hex(8)

    @cached_property
    def _studio(self) -> "Studio":
        return self.settings.choice.open()

    @property
    def studio(self) -> "Studio":
        """The model, opened when it is first needed."""
        with self._opening:
            return self._studio

    def model(self, adapter: str | None = None) -> dict[str, Any]:
        """The attributes of :class:`ModelChoice` for a job.

        Args:
            adapter: one of :meth:`adapters` instead of the model's own.

        Raises:
            ConfigError: there is no such adapter.
            LimnerError: it cannot be opened.
        """
        if adapter is None:
            return self._chosen(opened=self.studio)
        paths = self.adapters()
        if adapter not in paths:
            raise ConfigError(f"there is no adapter {adapter!r} in the folder of adapters; choose one of the list")
        path = paths[adapter]
        return self._chosen(adapter=path, opened=self._with_adapter(path))

    def _chosen(self, **changes: Any) -> dict[str, Any]:
        return {one.name: getattr(self.settings.choice, one.name) for one in fields(ModelChoice)} | changes

    def _with_adapter(self, path: Path) -> "Studio":
        """The same base with another adapter; nothing is loaded twice."""
        from limner.apps.assembly import Assembly, open_adapter
        from limner.apps.studio import Studio

        if path not in self._others:
            base = self.studio.assembly.base
            adapter = open_adapter(path, base, encoder=self.settings.choice.encoder)
            self._others[path] = Studio(Assembly(base, adapter), self.studio.guard)
        return self._others[path]

    def adapters(self) -> dict[str, Path]:
        """Face adapters in the user's folder, by name."""
        folder = self.settings.adapters
        return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.safetensors"))}

    @cached_property
    def styles(self) -> list[FoundStyle]:
        """Those that the model can draw, by theme and title."""
        kind = self.studio.assembly.base.kind
        return [one for one in all_styles(self.settings.styles) if can_draw(one, kind)]

    def close(self) -> None:
        """End the work and remove the folder."""
        self.runs.close()
        shutil.rmtree(self.folder, ignore_errors=True)
