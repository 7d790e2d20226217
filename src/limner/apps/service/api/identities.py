"""``/v1/identities``: people, made from uploads, deleted with all traces."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from limner.apps.service.api.desk import Reader, Registrar, TheDesk
from limner.apps.service.api.problems import told
from limner.apps.service.api.schemas import IdentityList, IdentityRequest, IdentityView, Page
from limner.apps.service.errors import UnacceptableError
from limner.apps.service.people import Wish
from limner.apps.service.requests import Id

router = APIRouter(prefix="/v1/identities", tags=["identities"], responses=told(401, 403, 422, 503))


@router.post("", status_code=202, operation_id="create_identity", responses=told(400, 404, 413, 429))
def create(desk: TheDesk, owner: Registrar, request: IdentityRequest) -> IdentityView:
    """Learn a person. The photos are deleted when that is over; jobs may name the person at once."""
    models = desk.settings.models
    model = request.model or desk.settings.default_model
    if model not in models:
        raise UnacceptableError(f"there is no model {model!r}; this service has {', '.join(models)}")
    face_index = None if request.face_index is None else tuple(request.face_index)
    wish = Wish(
        name=request.name,
        photos=tuple(request.photos),
        face_index=face_index,
        model=model,
        consent=request.consent,
        origin=request.origin,
        licence=request.licence,
    )
    return IdentityView.of(desk.people.create(owner, wish))


@router.get("", operation_id="list_identities", responses=told(404))
def list_all(desk: TheDesk, owner: Reader, page: Annotated[Page, Query()]) -> IdentityList:
    """People, the newest first."""
    found = desk.people.list(owner, after=page.after, limit=page.limit)
    return IdentityList(identities=[IdentityView.of(one) for one in found])


@router.get("/{identity}", operation_id="get_identity", responses=told(404))
def get(desk: TheDesk, owner: Reader, identity: Annotated[Id, Path()]) -> IdentityView:
    """One person."""
    return IdentityView.of(desk.people.get(owner, identity))


@router.delete("/{identity}", status_code=204, operation_id="delete_identity", responses=told(404))
def delete(desk: TheDesk, owner: Registrar, identity: Annotated[Id, Path()]) -> None:
    """Delete a person with the card, the photos, and every job and picture of theirs."""
    desk.people.delete(owner, identity)
