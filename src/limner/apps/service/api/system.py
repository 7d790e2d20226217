"""What the service is and how it does: models, kinds of jobs, health, metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import OperationalError
from starlette.requests import Request

from limner.apps.service.api.desk import Measurer, Reader, TheDesk
from limner.apps.service.api.metrics import workers_present
from limner.apps.service.api.problems import told, told_in_json
from limner.apps.service.api.schemas import Health, KindList, ModelList, ModelView
from limner.apps.service.job_kinds import job_kinds

router = APIRouter(tags=["system"])


@router.get("/v1/models", operation_id="list_models", responses=told(401, 403, 422, 503))
def models(desk: TheDesk, owner: Reader) -> ModelList:
    """The models that jobs may name."""
    default = desk.settings.default_model
    return ModelList(models=[ModelView(name=name, default=name == default) for name in desk.settings.models])


@router.get("/v1/kinds", operation_id="list_kinds", responses=told(401, 403, 422, 503))
def kinds(desk: TheDesk, owner: Reader) -> KindList:
    """The kinds of jobs that may be handed in."""
    return KindList(kinds=[name for name, kind in job_kinds().items() if kind.request is not None])


@router.get("/health", operation_id="health", responses={503: {"model": Health}})
def health(desk: TheDesk, response: Response) -> Health:
    """Whether jobs are taken and done; needs no key and tells nothing else."""
    try:
        with desk.database.reading() as connection:
            present = workers_present(connection, desk.database.now(connection), desk.settings)
    except OperationalError:
        response.status_code = 503
        return Health(status="no database")
    if not present:
        response.status_code = 503
        return Health(status="no worker")
    return Health(status="ok")


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=PlainTextResponse,
    responses={
        **told_in_json(401, 403, 422, 503),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
def metrics(request: Request, owner: Measurer) -> Response:
    """Numbers in Prometheus' text format."""
    return PlainTextResponse(request.app.state.metrics.text())
