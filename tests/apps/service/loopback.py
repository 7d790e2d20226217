"""A real server on the loopback, and a client that sends exactly what it is told to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk
from tests.apps.service.fakes import wait_for


@contextmanager
def listening(desk: Desk) -> Iterator[int]:
    """Serve on 127.0.0.1 for the length of a block; gives the port."""
    config = uvicorn.Config(
        create_app(desk), host="127.0.0.1", port=0, lifespan="off", proxy_headers=False, log_level="error"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)


def send(port: int, request: bytes, *, seconds: float = 20.0) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what comes back for these bytes; status 0 if nothing did."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return int(first.split()[1]) if first else 0, headers, body


def request(
    method: str, target: str, body: bytes = b"", *, host: str = "127.0.0.1", headers: tuple[str, ...] = ()
) -> bytes:
    """A request as bytes; the target goes out as it is written here."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def json_request(method: str, target: str, body: bytes, **more) -> bytes:
    return request(method, target, body, **{**more, "headers": ("Content-Type: application/json",)})
