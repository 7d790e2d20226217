"""Attacks on the page over HTTP that fail: files of this computer, addresses elsewhere, other sites, other routes."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from limner.apps.model_choice import ModelChoice
from limner.apps.page import application
from limner.apps.page.settings import PageSettings
from limner.apps.service.api.guards import LOOPBACK_NAMES

UPLOAD, JOIN, FILE = "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/file="


@pytest.fixture(scope="module")
def client(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    people = tmp_path_factory.mktemp("people")
    settings = PageSettings(ModelChoice(model=str(miniature_folder), device="cpu"), people=people)
    with (
        application.opened_page(settings, hosts=LOOPBACK_NAMES) as app,
        TestClient(app, base_url="http://localhost") as client,
    ):
        yield client


def uploaded(client: TestClient) -> str:
    """The path that the page is told of a file that was handed in."""
    [path] = client.post(UPLOAD, files={"files": ("me.png", b"not really", "image/png")}).json()
    return path


def join(client: TestClient, *data: object, **headers: str) -> int:
    body = {"data": list(data), "fn_index": 0, "session_hash": "s"}
    return client.post(JOIN, content=json.dumps(body), headers=headers).status_code


def test_the_page_is_there_and_brings_everything_itself(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "fonts.googleapis.com" not in page.text + client.get("/theme.css").text


def test_a_file_that_was_handed_in_comes_back(client: TestClient) -> None:
    path = uploaded(client)
    answer = client.get(FILE + path)
    assert (answer.status_code, answer.content) == (200, b"not really")


@pytest.mark.parametrize(("name", "kind"), [("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.xml", "text/xml")])
def test_what_was_handed_in_is_never_shown_as_a_page(client: TestClient, name: str, kind: str) -> None:
    [path] = client.post(UPLOAD, files={"files": (name, b"<svg onload='alert(1)'/>", kind)}).json()
    answer = client.get(FILE + path)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "etc/passwd",
        "pyproject.toml",
        "{files}/../../../etc/passwd",
        "{files}/%2e%2e/%2e%2e/etc/passwd",
        "{files}",
        "{files}/../people",
        "http://127.0.0.1:1/",
        "http:/127.0.0.1",
        "file:///etc/passwd",
        "C:/Windows/win.ini",
        "\\\\server\\share",
        "a\x00b",
    ],
)
def test_no_other_file_comes_out(client: TestClient, name: str) -> None:
    filled = name.format(files=os.environ["GRADIO_TEMP_DIR"])
    for written in (filled, quote(filled, safe=""), quote(quote(filled, safe=""), safe="")):
        assert client.get(FILE + quote(written, safe="/%")).status_code in (403, 404)


def test_a_link_in_the_folder_leads_nowhere(client: TestClient) -> None:
    link = Path(os.environ["GRADIO_TEMP_DIR"]) / "link.txt"
    link.symlink_to("/etc/passwd")
    assert client.get(FILE + str(link)).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "http://127.0.0.1:1/x.png", "https://example.org/x.png", "../x.png", "", 7, None, ["/etc/passwd"]],
)
def test_an_event_names_files_of_this_page_only(client: TestClient, path: object) -> None:
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for hidden in (file, [file], {"a": {"b": [file]}}):
        assert join(client, hidden) == 403


def test_an_event_with_a_file_that_was_handed_in_comes_through(client: TestClient) -> None:
    file = {"path": uploaded(client), "meta": {"_type": "gradio.FileData"}}
    assert join(client, file) not in (403, 404)


def test_an_event_that_is_no_json_does_not_come_through(client: TestClient) -> None:
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        assert client.post(JOIN, content=body).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=http://127.0.0.1:1/"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/startup-events"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/custom_component/x/client/component/index.js"),
        ("GET", "/gradio_api/stream/s/1/2/playlist.m3u8"),
        ("GET", "/svelte/x"),
        ("GET", "/assets/../../../../etc/passwd"),
        ("GET", "/static/%2e%2e/%2e%2e/routes.py"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/vibe-edit/"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/login"),
        ("PUT", "/"),
        ("DELETE", "/config"),
        ("OPTIONS", JOIN),
    ],
)
def test_what_the_page_does_not_need_is_not_there(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 404


def test_another_name_for_this_computer_gets_nothing(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403


def test_pages_of_other_sites_get_nothing(client: TestClient) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:9"):
        assert client.get("/config", headers={"Origin": origin}).status_code == 403
        assert join(client, Origin=origin) == 403


def test_bodies_have_an_end(client: TestClient) -> None:
    assert client.post(JOIN, content=b"[" + b" " * 1024 * 1024 + b"]").status_code == 413
    assert client.post(JOIN, content=iter([b"[" + b" " * 600_000] * 3)).status_code == 413
    huge = {"Content-Length": str(application.LIMITS.upload_bytes + 1)}
    assert client.post(UPLOAD, content=b"", headers=huge).status_code == 413


def test_functions_cannot_be_called_by_name(client: TestClient) -> None:
    config = client.get("/config").json()
    assert {one["api_visibility"] for one in config["dependencies"]} == {"private"}
    assert config["analytics_enabled"] is False
    assert "share" not in json.dumps([one.get("props", {}).get("buttons") for one in config["components"]])


def test_a_button_begins_one_thing(client: TestClient) -> None:
    targets = [tuple(one) for event in client.get("/config").json()["dependencies"] for one in event["targets"]]
    clicks = [one for one in targets if one[1] == "click"]
    assert len(clicks) > 10
    assert len(clicks) == len(set(clicks))


def test_the_environment_is_as_it_was(miniature_folder: Path, tmp_path: Path) -> None:
    before = dict(os.environ)
    choice = ModelChoice(model=str(miniature_folder), device="cpu")
    with application.opened_page(PageSettings(choice, people=tmp_path), hosts=None):
        assert os.environ["GRADIO_TEMP_DIR"] != before.get("GRADIO_TEMP_DIR")
    assert dict(os.environ) == before
