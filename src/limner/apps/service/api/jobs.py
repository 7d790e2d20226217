"""``/v1/jobs``: hand in, follow, cancel, try again, delete; the pictures."""

import asyncio
import functools
import operator
import time
from collections.abc import AsyncIterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from limner.apps.service.api.desk import Drawer, Reader, TheDesk
from limner.apps.service.api.problems import told, told_in_json
from limner.apps.service.api.schemas import JobList, JobPage, JobView
from limner.apps.service.blobs import PICTURES
from limner.apps.service.errors import NotFoundError
from limner.apps.service.job import ENDED, NewJob
from limner.apps.service.job_kinds import job_kinds
from limner.apps.service.requests import Id

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=told(401, 403, 422, 503))
JobId = Annotated[Id, Path()]
MOST_SECONDS_BETWEEN_LOOKS = 1.0
"""How late an event may come at the worst."""
IDEMPOTENCY = "Any text of your own; the same request sent again with it gives the job of the first time."


def _any_request() -> Any:
    """One of the requests that clients may hand in, told apart by ``kind``."""
    kinds = [kind.request for kind in job_kinds().values() if kind.request is not None]
    union = functools.reduce(operator.or_, kinds)
    return Annotated[union, Field(discriminator="kind")] if len(kinds) > 1 else union


@router.post(
    "",
    status_code=201,
    operation_id="create_job",
    responses={**told(400, 404, 409, 413, 429), 200: {"model": JobView, "description": "It was handed in before."}},
)
def create(
    desk: TheDesk,
    owner: Drawer,
    request: Annotated[_any_request(), Body()],  # pyright: ignore[reportInvalidTypeForm]
    response: Response,
    idempotency_key: Annotated[
        str | None, Header(pattern="^[!-~]{1,64}$", max_length=64, description=IDEMPOTENCY)
    ] = None,
) -> JobView:
    """Hand in a job. Once this has answered, the job is kept whatever dies."""
    kind = job_kinds()[request.kind]
    plan = kind.plan(request, desk.settings)
    new = NewJob(
        owner=owner,
        kind=kind.name,
        model=plan.model,
        request=request.model_dump(mode="json"),
        group=plan.group,
        rows=plan.rows,
        cost=plan.cost,
        people=plan.people,
        uploads=plan.uploads,
        idempotency_key=idempotency_key,
    )
    job, is_new = desk.jobs.submit(new)
    response.status_code = 201 if is_new else 200
    return JobView.of(*desk.jobs.get(owner, job.id))


@router.get("", operation_id="list_jobs", responses=told(404))
def list_all(desk: TheDesk, owner: Reader, page: Annotated[JobPage, Query()]) -> JobList:
    """Jobs, the newest first; their pictures are told by the job itself."""
    found = desk.jobs.list(owner, state=page.state, after=page.after, limit=page.limit)
    return JobList(jobs=[JobView.of(job, []) for job in found])


@router.get("/{job}", operation_id="get_job", responses=told(404))
def get(desk: TheDesk, owner: Reader, job: JobId) -> JobView:
    """One job with its pictures."""
    return JobView.of(*desk.jobs.get(owner, job))


@router.delete("/{job}", status_code=204, operation_id="delete_job", responses=told(404, 409))
def delete(desk: TheDesk, owner: Drawer, job: JobId) -> None:
    """Delete a job and its pictures; one that runs is stopped."""
    desk.jobs.delete(owner, job)


@router.post("/{job}/cancel", operation_id="cancel_job", responses=told(404))
def cancel(desk: TheDesk, owner: Drawer, job: JobId) -> JobView:
    """Stop a job; one that has ended stays as it is."""
    desk.jobs.cancel(owner, job)
    return JobView.of(*desk.jobs.get(owner, job))


@router.post("/{job}/retry", operation_id="retry_job", responses=told(404, 409, 429))
def retry(desk: TheDesk, owner: Drawer, job: JobId) -> JobView:
    """Put a failed or cancelled job into the queue again."""
    desk.jobs.retry(owner, job)
    return JobView.of(*desk.jobs.get(owner, job))


class Watched(BaseModel):
    """A job that somebody follows."""

    owner: str
    job: str


def _watched(desk: TheDesk, owner: Reader, job: JobId) -> Iterator[Watched]:
    """Refusals have to come before the stream begins."""
    desk.jobs.get(owner, job)
    with desk.stream():
        yield Watched(owner=owner, job=job)


@router.get(
    "/{job}/events",
    operation_id="follow_job",
    response_class=EventSourceResponse,
    responses=told_in_json(401, 403, 404, 422, 429, 503),
)
async def follow(desk: TheDesk, watched: Annotated[Watched, Depends(_watched)]) -> AsyncIterable[ServerSentEvent]:
    """The job, as an event whenever it changes; ends with the job."""
    last, until = None, time.monotonic() + desk.settings.times.stream
    pause = shortest = desk.settings.times.poll
    while time.monotonic() < until and not desk.stopping():
        try:
            view = JobView.of(*await run_in_threadpool(desk.jobs.get, watched.owner, watched.job))
        except NotFoundError:
            yield ServerSentEvent(event="deleted", data={"id": watched.job})
            return
        if view != last:
            yield ServerSentEvent(event=view.state.value, data=view.model_dump(mode="json"), retry=2000)
            last, pause = view, shortest
        if view.state in ENDED:
            return
        await asyncio.sleep(pause)
        # Many streams of jobs that only wait would otherwise take the time in which others are drawn.
        pause = min(pause * 1.5, max(shortest, MOST_SECONDS_BETWEEN_LOOKS))


@router.get(
    "/{job}/pictures/{picture}",
    operation_id="get_picture",
    response_class=FileResponse,
    responses={
        **told_in_json(401, 403, 404, 422, 503),
        200: {"content": {"image/png": {}}, "description": "The picture."},
    },
)
def picture(desk: TheDesk, owner: Reader, job: JobId, picture: Annotated[Id, Path()]) -> FileResponse:
    """A finished picture, always PNG."""
    _, pictures = desk.jobs.get(owner, job)
    path = desk.blobs.path(PICTURES, picture)
    if picture not in {one.id for one in pictures} or not path.is_file():
        raise NotFoundError("there is no such picture, or it is not yours")
    return FileResponse(path, media_type="image/png", filename=f"{picture}.png")
