"""What stands in front of gradio: only what the page needs comes through, and files only from its own folder.

Gradio's file routes were holes before (CVE-2026-28414 and its like), and where 6.31 is mounted on another application
it takes any path that a browser names for one that was handed in; so this looks at every path.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limner.apps.service.api.problems import problem

API = "/gradio_api"
FILE = f"{API}/file="
JOIN, UPLOAD = f"{API}/queue/join", f"{API}/upload"
READ = frozenset({"/", "/config", "/theme.css", "/favicon.ico", f"{API}/queue/data", f"{API}/upload_progress"})
READ_BELOW = ("/assets/", "/static/", f"{API}/heartbeat/")
WRITE = frozenset({JOIN, UPLOAD, f"{API}/cancel", f"{API}/reset"})
METHODS = {"GET": "read", "HEAD": "read", "POST": "write"}


class Gate:
    """Lets requests through to the page.

    Args:
        prefix: path of the page, "" if it is at the root.
        files: the only folder of which files are given out or taken as handed in.
    """

    def __init__(self, app: ASGIApp, prefix: str, files: Path) -> None:
        self.app, self.prefix, self.files = app, prefix, files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(self.prefix) or "/"
        if not self._is_open(scope["method"], path):
            return await problem(404, "not_found", "there is nothing here")(scope, receive, send)
        if path != JOIN:
            return await self.app(scope, receive, send)
        try:
            body = await _whole(receive)
        except HTTPException as error:
            return await problem(error.status_code, "refused", str(error.detail))(scope, receive, send)
        if not self._holds_own_files_only(body):
            told = "a file was named that was not handed in on this page; choose it again"
            return await problem(403, "forbidden", told)(scope, receive, send)
        return await self.app(scope, _again(body, receive), send)

    def _is_open(self, method: str, path: str) -> bool:
        kind = METHODS.get(method)
        if kind == "write":
            return path in WRITE
        if kind is None:
            return False
        if path.startswith(FILE):
            return self._is_own(unquote(path.removeprefix(FILE)))
        return path in READ or (path.startswith(READ_BELOW) and ".." not in path)

    def _is_own(self, name: str) -> bool:
        try:
            return Path(name).is_absolute() and Path(name).resolve().is_relative_to(self.files)
        except (OSError, ValueError):
            return False

    def _holds_own_files_only(self, body: bytes) -> bool:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            return False
        return all(isinstance(path, str) and self._is_own(path) for path in _paths(said))


def _paths(said: Any) -> Iterator[Any]:
    """Everything in a request that gradio would take for a file."""
    waiting = [said]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "path" in one:
                yield one["path"]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


async def _whole(receive: Receive) -> bytes:
    """The body; its size is limited before it comes here."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then whatever comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
