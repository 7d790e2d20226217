"""What a worker works with: open models, people, files; bounded, and closed by replacing."""

import gc
import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, overload

import sqlalchemy as sa

from limner.apps.service.blobs import IDENTITIES, Blobs
from limner.apps.service.database import Database
from limner.apps.service.errors import BrokenError, NotFoundError, UnacceptableError
from limner.apps.service.settings import ModelSettings, ServiceSettings
from limner.apps.service.tables import identities
from limner.apps.settings import PortraitSettings
from limner.core.errors import CheckpointError, ConfigError, LimnerError
from limner.data.invented_people import named_in

if TYPE_CHECKING:
    from limner.apps.studio import Studio
    from limner.identity.identity import Identity

_log = logging.getLogger(__name__)
Opener = Callable[[ModelSettings], "Studio"]


def open_studio(model: ModelSettings) -> "Studio":
    """Open a model from the operator's folder.

    Raises:
        LimnerError: see :meth:`limner.apps.studio.Studio.open`.
    """
    from limner.apps.studio import Studio

    studio = Studio.open(model.model, adapter=model.adapter, encoder=model.encoder, device=model.device)
    studio.close()  # a person who is deleted may not live on in the memory of a worker
    return studio


class Bench:
    """The models and files of one worker.

    Attributes:
        blobs: where files lie.
    """

    def __init__(
        self, database: Database, settings: ServiceSettings, blobs: Blobs, opener: Opener = open_studio
    ) -> None:
        self.blobs = blobs
        self._database, self._settings, self._opener = database, settings, opener
        self._studios: OrderedDict[str, Studio] = OrderedDict()
        self._invented: dict[tuple[str, Path], Identity] = {}  # who does not exist need not be forgotten

    def studio(self, name: str) -> "Studio":
        """The model that clients call ``name``; the one that was not used for longest makes room.

        Raises:
            BrokenError: it cannot be opened; why stands in the log only, since it names the operator's files.
        """
        if name not in self._studios:
            while len(self._studios) >= self._settings.max_models:
                self._studios.popitem(last=False)
                gc.collect()
            self._studios[name] = self._open(name)
        self._studios.move_to_end(name)
        return self._studios[name]

    def require_enlarger(self, name: str) -> None:
        """Check that a model brings a network that enlarges its pictures.

        Raises:
            UnacceptableError: it brings none.
            BrokenError: it cannot be opened.
        """
        try:
            _ = self.studio(name).assembly.enlarger
        except ConfigError as error:
            raise UnacceptableError(
                f"the model {name} brings no network that enlarges its pictures; leave enlarge out, or name another"
            ) from error
        except CheckpointError as error:
            _log.error("the model %s cannot enlarge: %s", name, error)
            raise BrokenError(f"the model {name} cannot enlarge; the log of the service says why") from error

    @overload
    def person(self, identity_id: str) -> "Identity": ...

    @overload
    def person(self, identity_id: str | None) -> "Identity | None": ...

    def person(self, identity_id: str | None) -> "Identity | None":
        """Read an identity card; nobody's is nobody.

        Raises:
            NotFoundError: it was deleted meanwhile.
            BrokenError: the card is damaged.
        """
        from limner.identity.identity import Identity

        if identity_id is None:
            return None
        with self._database.reading() as connection:
            card = connection.scalar(sa.select(identities.c.card).where(identities.c.id == identity_id))
        if card is None:
            raise NotFoundError("a person of this job was deleted")
        try:
            return Identity.load(self.blobs.path(IDENTITIES, card))
        except CheckpointError as error:
            _log.error("the card of identity %s cannot be read: %s", identity_id, error)
            raise BrokenError("the card of this person is damaged; create the identity again") from error

    def whom(self, identity_id: str | None, wanted: PortraitSettings, model: str) -> "Identity | None":
        """The person of a picture: a card's, else whom the sentence names of the invented people; None for anybody.

        Raises:
            NotFoundError, BrokenError: as :meth:`person`.
            LimnerError: the invented person cannot be learnt.
        """
        if identity_id is not None or wanted.adapter_scale == 0:
            return self.person(identity_id)
        photo = named_in(wanted.prompt)
        if photo is None:
            return None
        if (model, photo) not in self._invented:
            self._invented[model, photo] = self.studio(model).identity([photo])
        return self._invented[model, photo]

    def _open(self, name: str) -> "Studio":
        try:
            return self._opener(self._settings.models[name])
        except LimnerError as error:
            _log.error("the model %s cannot be opened: %s", name, error)
            raise BrokenError(f"the model {name} cannot be opened; the log of the service says why") from error
