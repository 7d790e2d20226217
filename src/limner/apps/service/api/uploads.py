"""``/v1/uploads``: the only way in for pictures; the body is the file, whatever it is called."""

from typing import Annotated

from fastapi import APIRouter, Body, Path

from limner.apps.service.api.desk import Registrar, TheDesk
from limner.apps.service.api.problems import told
from limner.apps.service.api.schemas import UploadView
from limner.apps.service.requests import Id

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], responses=told(400, 401, 403, 413, 422, 429, 503))


@router.post("", status_code=201, operation_id="upload")
def upload(
    desk: TheDesk,
    owner: Registrar,
    content: Annotated[bytes, Body(media_type="application/octet-stream", description="One still picture.")],
) -> UploadView:
    """Hand in a picture. Its pixels are kept for a short while; its name, metadata and format are not."""
    return UploadView(**vars(desk.uploads.add(owner, content)))


@router.delete("/{upload}", status_code=204, operation_id="delete_upload", responses=told(404, 409))
def delete(desk: TheDesk, owner: Registrar, upload: Annotated[Id, Path()]) -> None:
    """Delete a picture that no job uses."""
    desk.uploads.delete(owner, upload)
