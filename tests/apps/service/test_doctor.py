"""``limner doctor --url`` on real servers on the loopback: whole ones, and such as lack something."""

import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from limner.apps import deployment
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.database import Database
from limner.apps.service.keys import Scope
from tests.apps.conftest import Exits
from tests.apps.service.fakes import FakeStudio, settings_in, wait_for, working
from tests.apps.service.loopback import listening, request, send
from tests.apps.service.test_kill import free_port

EVERYTHING = ["reachable", "health", "closed", "version", "database", "workers", "queue", "clock", "disk", "limits"]


@pytest.fixture
def port(desk: Desk, studio: FakeStudio) -> Iterator[int]:
    with working(desk.database, desk.settings, studio), listening(desk) as port:
        wait_for(lambda: send(port, request("GET", "/health"))[0] == 200)
        yield port


def findings(output: str) -> dict[str, tuple[str, str]]:
    """State and words by name."""
    lines = [line for line in output.splitlines() if line]
    return {line[8:18].strip(): (line[:8].strip(), line[18:].strip()) for line in lines}


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def key_file(desk: Desk, folder: Path, *scopes: Scope) -> Path:
    file = folder / "key.txt"
    file.write_text(desk.keys.create("a", scopes)[1] + "\n")
    return file


def test_a_whole_service_without_keys(command: Exits, port: int) -> None:
    code, output, _ = command("doctor", "--url", url(port))
    found = findings(output)
    assert (code, list(found)) == (0, EVERYTHING)
    assert {state for state, _ in found.values()} == {"ok"}
    assert "on this machine only" in found["closed"][1]
    assert found["workers"][1].startswith("1 alive")
    assert found["database"][1] == "sqlite, answers"
    assert "16 pictures and 100 steps a job" in found["limits"][1]


def test_a_picture_is_drawn_checked_and_deleted(command: Exits, port: int, desk: Desk, tmp_path: Path) -> None:
    file = key_file(desk, tmp_path, Scope.READ, Scope.DRAW)
    code, output, _ = command("doctor", "--url", url(port), "--key-file", file, "--job")
    found = findings(output)
    assert (code, list(found)) == (0, [*EVERYTHING, "marks"])
    assert found["closed"][1] == "nobody gets in without a key"
    assert "signed by" in found["marks"][1]
    assert desk.jobs.list(file.read_text().split("_")[1]) == []


def test_pictures_without_marks_are_told(
    command: Exits, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trust.toml").write_text("watermark = false\nmanifest = false\n")
    monkeypatch.setenv("LIMNER_TRUST_SETTINGS", str(tmp_path / "trust.toml"))
    code, output, _ = command("doctor", "--url", url(port), "--job")
    assert code == 1
    assert findings(output)["marks"] == (
        "wrong",
        "a picture came out unmarked: it carries no manifest; see docs/trust.md",
    )


def test_a_service_where_nobody_draws(command: Exits, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "JOB_SECONDS", 0.2)
    with listening(desk) as port:
        code, output, _ = command("doctor", "--url", url(port), "--job")
    found = findings(output)
    assert code == 1
    assert [name for name, (state, _) in found.items() if state == "wrong"] == ["health", "workers", "marks"]
    assert found["marks"][1] == "a tiny job was not done within 0.2 s"
    assert desk.jobs.list("local") == []


def test_the_clock_the_disk_and_the_version_are_compared(
    command: Exits, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Database.now
    monkeypatch.setattr(Database, "now", lambda self, connection: now(self, connection) - 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    monkeypatch.setattr(deployment, "version", lambda _: "9.9")
    code, output, _ = command("doctor", "--url", url(port))
    found = findings(output)
    assert code == 1
    assert [name for name, (state, _) in found.items() if state == "wrong"] == ["version", "clock", "disk"]
    assert found["clock"][1].startswith(("99.", "100.0 s behind"))
    assert found["disk"][1].startswith("0.1 GiB free; make room")
    assert "9.9 here" in found["version"][1]


def test_keys_that_are_missing_wrong_or_too_weak(command: Exits, tmp_path: Path) -> None:
    desk = open_desk(settings_in(tmp_path / "service"))
    weak = key_file(desk, tmp_path, Scope.METRICS)
    (tmp_path / "wrong.txt").write_text("limner_0_0")
    with listening(desk) as port, working(desk.database, desk.settings, FakeStudio()):
        wait_for(lambda: send(port, request("GET", "/health"))[0] == 200)
        code, output, _ = command("doctor", "--url", url(port))
        assert (code, findings(output)["the rest"][0]) == (0, "unknown")
        code, output, _ = command("doctor", "--url", url(port), "--key-file", weak)
        assert (code, "may not read" in findings(output)["the rest"][1]) == (1, True)
        code, output, _ = command("doctor", "--url", url(port), "--key-file", tmp_path / "wrong.txt")
        assert (code, "refuses (401)" in findings(output)["the rest"][1]) == (1, True)
    desk.database.close()


def test_what_cannot_be_asked_is_refused_in_words(command: Exits, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    for arguments, told in (
        (("--url", "localhost:8000"), "is no address of a service"),
        (("--url", "file:///etc/passwd"), "is no address of a service"),
        (("--url", "http://127.0.0.1:1", "--key-file", tmp_path / "none"), "cannot be read"),
        (("--url", "http://127.0.0.1:1", "--key-file", tmp_path / "empty.txt"), "holds no key"),
        (("--job",), "say where with --url"),
    ):
        code, _, errors = command("doctor", *arguments)
        assert (code, told in errors) == (2, True), (arguments, errors)


def test_nobody_there(command: Exits) -> None:
    code, output, _ = command("doctor", "--url", url(free_port()))
    assert code == 1
    state, told = findings(output)["reachable"]
    assert (state, "does not answer" in told) == ("wrong", True)


@contextmanager
def answering(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_key_goes_nowhere_else(command: Exits, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("limner_0123456789abcdef_secret")
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(0.5)

        class Sends(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{bait.getsockname()[1]}/health")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        with answering(Sends) as port:
            code, output, _ = command("doctor", "--url", url(port), "--key-file", tmp_path / "key.txt")
        assert code == 1
        assert "something else than Limner answers" in findings(output)["reachable"][1]
        with pytest.raises(TimeoutError):
            bait.accept()
