"""Pictures that clients hand in: decoded, written anew, kept for a short while under an id."""

from dataclasses import dataclass

import sqlalchemy as sa

from limner.apps.service.blobs import UPLOADS, Blobs, new_id
from limner.apps.service.database import Database
from limner.apps.service.errors import BusyError, ConflictError, NotFoundError, TooLargeError
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import uploads
from limner.core.errors import ImageTooLargeError
from limner.core.images import read_image, write_png


@dataclass(frozen=True)
class Upload:
    """A picture that waits to be used."""

    id: str
    width: int
    height: int
    expires_at: float


class UploadStore:
    """Pictures by owner."""

    def __init__(self, database: Database, blobs: Blobs, settings: ServiceSettings) -> None:
        self._database, self._blobs, self._settings = database, blobs, settings

    def add(self, owner: str, content: bytes) -> Upload:
        """Keep a picture; of the bytes that were given only the pixels go on.

        Raises:
            ImageError: it is no picture that Limner reads.
            TooLargeError: it has too many pixels.
            BusyError: too many wait to be used.
        """
        self._require_room(owner)
        try:
            image = read_image(content, max_pixels=self._settings.limits.upload_pixels)
        except ImageTooLargeError as error:
            raise TooLargeError(str(error)) from error
        upload_id = new_id()
        write_png(self._blobs.path(UPLOADS, upload_id), image)
        height, width = image.shape[:2]
        with self._database.writing() as connection:
            now = self._database.now(connection)
            expires = now + self._settings.retention.uploads * 3600
            row = {"id": upload_id, "owner": owner, "width": width, "height": height}
            connection.execute(sa.insert(uploads), {**row, "created_at": now, "expires_at": expires})
        return Upload(upload_id, width, height, expires)

    def delete(self, owner: str, upload_id: str) -> None:
        """Remove a picture.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
            ConflictError: a job is using it.
        """
        with self._database.writing() as connection:
            mine = (uploads.c.id == upload_id) & (uploads.c.owner == owner)
            row = connection.execute(sa.select(uploads.c.job_id).where(mine)).first()
            if row is None:
                raise NotFoundError("there is no such upload, or it is not yours")
            if row.job_id is not None:
                raise ConflictError("a job is using this upload; cancel that, and the upload goes with it")
            connection.execute(sa.delete(uploads).where(mine, uploads.c.job_id.is_(None)))
        self._blobs.remove(UPLOADS, [upload_id])

    def _require_room(self, owner: str) -> None:
        unused = sa.select(sa.func.count()).where(uploads.c.owner == owner, uploads.c.job_id.is_(None))
        with self._database.reading() as connection:
            number = connection.scalar(unused.select_from(uploads)) or 0
        if number >= self._settings.limits.uploads_per_key:
            raise BusyError(
                f"{number} of your uploads wait to be used, and {self._settings.limits.uploads_per_key} are allowed; "
                "use or delete some",
                retry_after=60,
            )
