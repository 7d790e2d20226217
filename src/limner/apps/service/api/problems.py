"""How refusals look: always JSON with a word for programs and a sentence for people, never the server's insides."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from limner.apps.service.errors import ServiceError
from limner.core.errors import LimnerError

_log = logging.getLogger(__name__)
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported"}


class Problem(BaseModel):
    """Why a request was not met."""

    code: str = Field(description="For programs; does not change.")
    message: str = Field(description="For people; what was given, what was expected, what to do.")


def problem(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal."""
    return JSONResponse({"code": code, "message": message}, status, headers=headers)


def told(*statuses: int) -> dict[int | str, dict]:
    """The entry ``responses`` of a route for refusals with these statuses."""
    return {status: {"model": Problem} for status in statuses}


def told_in_json(*statuses: int) -> dict[int | str, dict]:
    """The same for routes that answer with something else than JSON when all goes well."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    content = {"application/json": {"schema": schema}}
    return {status: {"description": "Refused.", "content": content} for status in statuses}


def handle_problems(app: FastAPI) -> None:
    """Turn every error into a refusal."""
    app.add_exception_handler(LimnerError, _limner)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(PoolTimeoutError, _database)


def _limner(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        return problem(422, "unacceptable", str(error))
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.status, error.code, str(error), headers)


def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # What was given is not repeated: it may be large, or no text at all.
    parts = (f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:10])
    return problem(422, "invalid", "; ".join(parts).encode("ascii", "backslashreplace").decode()[:2000])


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "refused")
    return problem(error.status_code, code, str(error.detail), dict(error.headers or {}))


def _database(_: Request, error: Exception) -> JSONResponse:
    _log.error("the database does not answer", exc_info=error)
    return problem(503, "unavailable", "the service cannot reach its database; try again soon", {"Retry-After": "5"})
