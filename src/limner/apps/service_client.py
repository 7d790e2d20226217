"""Asking a running service; no proxy, no redirect, so that the key goes where it was meant to go and nowhere else."""

import json
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from limner.core.errors import ConfigError

SECONDS = 20.0
MOST_BYTES = 64 * 2**20


class UnreachableError(Exception):
    """Nobody answers there."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        content: the JSON object; empty if it was something else.
    """

    status: int
    content: dict[str, Any]

    def word(self, name: str) -> str | None:
        """A text in the object."""
        found = self.content.get(name)
        return found if isinstance(found, str) else None


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


class ServiceClient:
    """A client of one service.

    Args:
        url: such as http://127.0.0.1:8000.
        key: made by `limner keys create`; None for a service without keys.

    Raises:
        ConfigError: that is no address of a service.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of a service; give one such as http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self.has_key = key is not None
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._opener = build_opener(ProxyHandler({}), _NoRedirect())

    def get(self, path: str, *, keyed: bool = True) -> Answer:
        """Ask for an object; ``keyed`` False leaves the key out."""
        return self._ask(Request(self.url + path, headers=self._headers if keyed else {}))

    def post(self, path: str, content: dict[str, Any]) -> Answer:
        """Hand in an object."""
        headers = {**self._headers, "Content-Type": "application/json"}
        return self._ask(Request(self.url + path, json.dumps(content).encode(), headers, method="POST"))

    def delete(self, path: str) -> Answer:
        """Delete what is there."""
        return self._ask(Request(self.url + path, headers=self._headers, method="DELETE"))

    def raw(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._read(Request(self.url + path, headers=self._headers))[1]

    def _ask(self, request: Request) -> Answer:
        status, body = self._read(request)
        try:
            content = json.loads(body)
        except ValueError:
            content = {}
        return Answer(status, content if isinstance(content, dict) else {})

    def _read(self, request: Request) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            UnreachableError: nobody answers, or not in HTTP.
        """
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                return answer.status, answer.read(MOST_BYTES)
        except HTTPError as error:  # a refusal is an answer
            with error:
                return error.code, error.read(MOST_BYTES)
        except (OSError, HTTPException) as error:
            raise UnreachableError(f"{self.url} does not answer ({error})") from error


def read_key(path: Path) -> str:
    """The key in a file, as `limner keys create` printed it.

    Raises:
        ConfigError: it cannot be read, or holds no key.
    """
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key cannot be read from {path} ({error}); give the file that holds it") from error
    if not key.isascii() or len(key.split()) != 1:
        raise ConfigError(f"{path} holds no key; write what `limner keys create` printed into it, and nothing else")
    return key
