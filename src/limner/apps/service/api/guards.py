"""What happens to every request before anything else: the host it names, its size, and the headers of the answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limner.apps.service.api.problems import problem
from limner.apps.service.settings import Limits, Times

_log = logging.getLogger(__name__)
UPLOADS = ("/v1/uploads", "/v1/check")
"""Paths whose bodies are pictures."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Sealed:
    """Adds headers to every answer, those of an answer that is no page if none are given; lets no traceback out."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = SAFETY_HEADERS) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        try:
            return await self.app(scope, receive, send_with_headers)
        except Exception:
            if started:
                raise
            _log.exception("a request could not be answered")
            told = "something went wrong inside the service; it was logged"
            return await problem(500, "internal", told)(scope, receive, send_with_headers)


class SameSite:
    """Refuses what a page of another site makes a browser send.

    Args:
        hosts: names that requests may be addressed to; None for all. Without keys these are the loopback's, so that a
            foreign name that was bent to this machine gets nothing.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            told = "without API keys this service answers to localhost only; make a key with `limner keys create`"
            return await problem(403, "forbidden", told)(scope, receive, send)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            told = "pages of other sites may not use this service; call it from your own server"
            return await problem(403, "forbidden", told)(scope, receive, send)
        return await self.app(scope, receive, send)


class BodyLimits:
    """Stops reading a body that is too large or too slow, and takes only so many large ones at the same time."""

    def __init__(self, app: ASGIApp, limits: Limits, times: Times, uploads: Collection[str] = UPLOADS) -> None:
        self.app, self.limits, self.times, self.uploads = app, limits, times, uploads
        self.uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        is_upload = scope["path"] in self.uploads
        most = self.limits.upload_bytes if is_upload else self.limits.body_bytes
        told = f"the body has more than {most} bytes; make it smaller"
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared[:20]) > most:
            return await problem(413, "too_large", told, {"Connection": "close"})(scope, receive, send)
        if is_upload and self.uploading >= self.limits.uploads_at_once:
            busy = "too many pictures are being uploaded; try again in a moment"
            return await problem(429, "busy", busy, {"Retry-After": "2"})(scope, receive, send)
        self.uploading += is_upload
        try:
            return await self.app(scope, _limited(receive, most, told, self.times.body), send)
        finally:
            self.uploading -= is_upload


def _limited(receive: Receive, most: int, told: str, seconds: float) -> Receive:
    deadline = time.monotonic() + seconds
    read, whole = 0, False

    async def receive_some() -> Message:
        nonlocal read, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), deadline - time.monotonic())
        except TimeoutError as error:
            raise HTTPException(408, f"the body did not come within {seconds:g} seconds") from error
        read += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if read > most:
            raise HTTPException(413, told, {"Connection": "close"})
        return message

    return receive_some


class Measured:
    """Tells a function the route, method, status and seconds of every request."""

    def __init__(self, app: ASGIApp, note: Callable[[str, str, int, float], None]) -> None:
        self.app, self.note = app, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await self.app(scope, receive, send_and_note)
        finally:
            # The pattern of the route, not the path: ids would make a series each.
            route = getattr(scope.get("route"), "path", "none")
            self.note(route, scope["method"], status, time.perf_counter() - started)


def _name(host: str) -> str:
    """``localhost:8000`` -> ``localhost``, ``[::1]:8000`` -> ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
