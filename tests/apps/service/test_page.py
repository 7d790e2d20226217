"""The page beside the service: only where it is asked for, only here, only with a key where the service needs one."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.keys import Scope
from limner.apps.service.page import with_page
from limner.apps.service.settings import ModelSettings
from limner.core.errors import ConfigError
from tests.apps.service.fakes import settings_in

pytest.importorskip("gradio", reason="the page needs the extra [ui]: make ui")


@pytest.fixture(scope="module")
def desk(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    models = {"tiny": ModelSettings(model=str(miniature_folder), device="cpu")}
    desk = open_desk(settings_in(tmp_path_factory.mktemp("service"), models=models, page=True), needs_key=False)
    yield desk
    desk.database.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    with (
        with_page(create_app(desk), desk, public=False) as app,
        TestClient(app, base_url="http://localhost", follow_redirects=True) as client,
    ):
        yield client


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def test_the_page_and_the_service_stand_side_by_side(client: TestClient) -> None:
    page = client.get("/ui")
    assert page.status_code == 200
    assert "gradio" in page.text
    assert client.get("/ui/config").status_code == 200
    assert client.get("/v1/models").json()["models"][0]["name"] == "tiny"
    assert "default-src 'none'" in client.get("/v1/models").headers["Content-Security-Policy"]


def test_the_gate_stands_here_too(client: TestClient) -> None:
    assert client.get("/ui/gradio_api/file=/etc/passwd").status_code == 404
    assert client.get("/ui/monitoring").status_code == 404
    assert client.get("/gradio_api/info").status_code == 404
    assert client.get("/ui", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/uix").status_code == 404


def test_once_there_is_a_key_it_is_asked_for(client: TestClient, desk: Desk) -> None:
    assert client.get("/ui").status_code == 200
    made, whole = desk.keys.create("whole", [Scope.READ, Scope.DRAW, Scope.PEOPLE])
    _, part = desk.keys.create("part", [Scope.READ])
    refused = client.get("/ui")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    for path in ("/ui/config", "/ui/gradio_api/file=/x", "/ui/assets/x.js"):
        assert client.get(path).status_code == 401
    for wrong in ({"Authorization": "Basic ???"}, {"Authorization": f"Bearer {whole}"}, basic("limner_x"), basic("")):
        assert client.get("/ui", headers=wrong).status_code == 401
    assert client.get("/ui", headers=basic(part)).status_code == 403
    assert client.get("/ui", headers=basic(whole)).status_code == 200
    desk.keys.revoke(made.id)
    assert client.get("/ui", headers=basic(whole)).status_code == 401


def test_there_is_none_unless_it_is_asked_for(tmp_path: Path) -> None:
    desk = open_desk(settings_in(tmp_path), needs_key=False)
    app = create_app(desk)
    with with_page(app, desk, public=True) as same:
        assert same is app
    assert TestClient(app, base_url="http://localhost").get("/ui").status_code == 404
    desk.database.close()


def test_at_a_public_address_it_is_refused(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="for this machine alone"), with_page(create_app(desk), desk, public=True):
        pass
