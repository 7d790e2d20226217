"""The application: routes, guards and refusals put together."""

from importlib.metadata import version

from fastapi import FastAPI

from limner.apps.service.api import guards, identities, jobs, pictures, status, system, uploads
from limner.apps.service.api.desk import Desk
from limner.apps.service.api.metrics import Metrics
from limner.apps.service.api.problems import handle_problems


def create_app(desk: Desk) -> FastAPI:
    """The service as an ASGI application; nothing is drawn in its process."""
    app = FastAPI(
        title="Limner",
        version=version("limner"),
        summary="Portraits that look like a given person and follow your words.",
        # FastAPI's pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.desk = desk
    app.state.metrics = Metrics(desk.database, desk.settings)
    for module in (uploads, identities, jobs, pictures, status, system):
        app.include_router(module.router)
    handle_problems(app)
    # The last one added is the first to see a request.
    app.add_middleware(guards.BodyLimits, limits=desk.settings.limits, times=desk.settings.times)
    app.add_middleware(guards.SameSite, hosts=None if desk.needs_key else guards.LOOPBACK_NAMES)
    app.add_middleware(guards.Sealed)
    app.add_middleware(guards.Measured, note=app.state.metrics.note)
    return app
