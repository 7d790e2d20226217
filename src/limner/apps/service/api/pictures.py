"""``/v1/check`` and ``/v1/styles``: what a picture says about itself, and the looks that jobs may name."""

from typing import Annotated

from fastapi import APIRouter, Body

from limner.apps.service.api.desk import Reader, TheDesk
from limner.apps.service.api.problems import told
from limner.apps.service.api.schemas import CheckView, StyleList, StyleView
from limner.apps.service.errors import TooLargeError
from limner.apps.styles import all_styles
from limner.core.errors import ImageTooLargeError

router = APIRouter(tags=["pictures"])


@router.post("/v1/check", operation_id="check", responses=told(400, 401, 403, 413, 422, 429, 503))
def check(
    desk: TheDesk,
    owner: Reader,
    content: Annotated[bytes, Body(media_type="application/octet-stream", description="One still picture.")],
) -> CheckView:
    """Look at manifest and watermark of any picture, whoever made it. Nothing is kept of it."""
    from limner.trust.checking import check_picture

    try:
        return CheckView.of(check_picture(content, max_pixels=desk.settings.limits.upload_pixels))
    except ImageTooLargeError as error:
        raise TooLargeError(str(error)) from error


@router.get("/v1/styles", operation_id="list_styles", responses=told(401, 403, 422, 503))
def styles(desk: TheDesk, owner: Reader) -> StyleList:
    """The looks that jobs may name, by theme."""
    return StyleList(
        styles=[
            StyleView(
                name=one.name,
                theme=one.theme,
                title=one.style.title,
                base=one.style.base,
                miniature=one.style.miniature is not None,
            )
            for one in all_styles()
        ]
    )
