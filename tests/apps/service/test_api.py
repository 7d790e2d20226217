"""The API over a worker that draws at once, and once over a real, tiny model."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.bench import open_studio
from limner.apps.service.keys import Scope
from limner.apps.service.settings import Limits, ModelSettings
from limner.core.assets import asset_path
from limner.core.images import read_image
from limner.trust.checking import check_picture
from tests.apps.service.fakes import FakeStudio, painted, settings_in, wait_for, working

PORTRAIT = {"kind": "portrait", "prompt": "a person", "adapter_scale": 0, "num_steps": 2}


def photo(*, dark: bool = False, size: tuple[int, int] = (32, 24)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, "black" if dark else "gray").save(stream, format="JPEG")
    return stream.getvalue()


def learn(client: TestClient, content: bytes | None = None, **words: Any) -> dict[str, Any]:
    """Upload, create, wait."""
    upload = client.post("/v1/uploads", content=content or photo())
    assert upload.status_code == 201, upload.text
    made = client.post("/v1/identities", json={"name": "Ada", "photos": [upload.json()["id"]], **words})
    assert made.status_code == 202, made.text
    path = f"/v1/identities/{made.json()['id']}"
    return wait_for(lambda: (now := client.get(path).json())["state"] != "pending" and now)


def wait_until_ended(client: TestClient, job_id: str) -> dict[str, Any]:
    path = f"/v1/jobs/{job_id}"
    return wait_for(lambda: (now := client.get(path).json())["state"] not in ("queued", "running") and now)


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Event names and data of a stream."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_from_a_photo_to_a_picture(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        person = learn(client, consent="it is me")
        assert (person["state"], person["consent"], person["quality"]) == ("ready", "it is me", 0.5)
        request = {"kind": "portrait", "prompt": "smiling", "identity": person["id"], "count": 2, "seed": 5}
        made = client.post("/v1/jobs", json=request)
        assert made.status_code == 201
        job = made.json()
        events = events_of(client.get(f"/v1/jobs/{job['id']}/events").text)
    assert events[-1][0] == "done"
    assert [one["seed"] for one in events[-1][1]["pictures"]] == [5, 6]
    picture = client.get(f"/v1/jobs/{job['id']}/pictures/{events[-1][1]['pictures'][0]['id']}")
    assert picture.headers["content-type"] == "image/png"
    assert np.array_equal(read_image(picture.content), painted("smiling", 5))
    assert [one["id"] for one in client.get("/v1/identities").json()["identities"]] == [person["id"]]
    assert job["id"] in [one["id"] for one in client.get("/v1/jobs?state=done").json()["jobs"]]
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_a_job_may_name_a_person_who_is_still_being_learnt(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    upload = client.post("/v1/uploads", content=photo()).json()["id"]
    person = client.post("/v1/identities", json={"name": "Ada", "photos": [upload]}).json()
    job = client.post("/v1/jobs", json={**PORTRAIT, "identity": person["id"], "adapter_scale": 0.8}).json()
    with working(desk.database, desk.settings, studio):
        assert wait_until_ended(client, job["id"])["state"] == "done"


def test_sent_twice_drawn_once(client: TestClient) -> None:
    first = client.post("/v1/jobs", json=PORTRAIT, headers={"Idempotency-Key": "one"})
    again = client.post("/v1/jobs", json=PORTRAIT, headers={"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = client.post("/v1/jobs", json={**PORTRAIT, "seed": 1}, headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_what_is_not_understood_is_not_passed_over(client: TestClient) -> None:
    for path in ("/v1/jobs?stat=done", "/v1/identities?page=2", "/v1/jobs?limit=0", "/v1/jobs?after=x"):
        assert client.get(path).status_code == 422, path
    for key in ("", "a b", "a" * 65):
        assert client.post("/v1/jobs", json=PORTRAIT, headers={"Idempotency-Key": key}).status_code == 422


def test_cancel_and_retry(client: TestClient) -> None:
    job = client.post("/v1/jobs", json=PORTRAIT).json()["id"]
    assert client.post(f"/v1/jobs/{job}/retry").status_code == 409
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert events_of(client.get(f"/v1/jobs/{job}/events").text)[-1][0] == "cancelled"
    assert client.post(f"/v1/jobs/{job}/retry").json()["state"] == "queued"


def test_a_stream_tells_of_deletion_and_does_not_last_for_ever(tmp_path: Path) -> None:
    desk = open_desk(settings_in(tmp_path, times={"stream": 0.2, "poll": 0.02}), needs_key=False)
    with TestClient(create_app(desk), base_url="http://localhost") as client:
        job = client.post("/v1/jobs", json=PORTRAIT).json()["id"]
        assert [name for name, _ in events_of(client.get(f"/v1/jobs/{job}/events").text)] == ["queued"]
        streams = [desk.stream() for _ in range(desk.settings.limits.streams)]
        for stream in streams:
            stream.__enter__()
        assert client.get(f"/v1/jobs/{job}/events").status_code == 429
        for stream in streams:
            stream.__exit__(None, None, None)
        assert client.get(f"/v1/jobs/{'0' * 32}/events").status_code == 404
    desk.database.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  "}, "the prompt is missing"),
        ({"prompt": "a\x00b"}, "prompt"),
        ({"prompt": "a" * 2001}, "prompt"),
        ({"count": 17}, "count is 17, and this service draws at most 16"),
        ({"num_steps": 101}, "num_steps is 101"),
        ({"height": 2048, "width": 2048}, "height times width is 4194304"),
        ({"height": 65}, "height"),
        ({"model": "../../etc"}, "model"),
        ({"model": "other"}, "there is no model 'other'; this service has miniature"),
        ({"adapter_scale": 0.5}, "no identity was given"),
        ({"identity": "../x"}, "identity"),
        ({"kind": "swap"}, "kind"),
        ({"url": "http://example.com/a.png"}, "url"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"identity_guidance": 2}, "identity_guidance"),
        ({"seed": 2**32}, "seed"),
        ({"seed": True}, "seed"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(client: TestClient, changes: dict[str, Any], told: str) -> None:
    refused = client.post("/v1/jobs", json={**PORTRAIT, **changes})
    assert refused.status_code == 422, refused.text
    assert told in refused.json()["message"]
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_an_unknown_identity_is_not_found(client: TestClient) -> None:
    refused = client.post("/v1/jobs", json={**PORTRAIT, "identity": "0" * 32})
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_limits_say_why(tmp_path: Path) -> None:
    limits = Limits(
        queue_per_key=1, uploads_per_key=1, upload_bytes=2000, upload_pixels=1000, identities_per_key=1, body_bytes=500
    )
    desk = open_desk(settings_in(tmp_path, limits=limits), needs_key=False)
    with TestClient(create_app(desk), base_url="http://localhost") as client:
        answers = [
            (client.post("/v1/uploads", content=b"x" * 2001), 413, "more than 2000 bytes"),
            (client.post("/v1/uploads", content=iter([b"x" * 1500] * 2)), 413, "more than 2000 bytes"),
            (client.post("/v1/uploads", content=photo(size=(40, 40))), 413, "40 x 40 pixels; make it smaller"),
            (client.post("/v1/uploads", content=b"no picture"), 422, "not a picture"),
            (client.post("/v1/uploads"), 422, ""),
            (client.post("/v1/jobs", json={**PORTRAIT, "prompt": "a" * 600}), 413, "more than 500 bytes"),
            (client.post("/v1/uploads", content=photo()), 201, ""),
            (client.post("/v1/uploads", content=photo()), 429, "1 of your uploads wait to be used"),
            (client.post("/v1/jobs", json=PORTRAIT), 201, ""),
            (client.post("/v1/jobs", json=PORTRAIT), 429, "1 of your jobs wait or run, and 1 are allowed"),
        ]
    for answer, status, told in answers:
        assert answer.status_code == status, answer.text
        assert told in answer.text
    assert answers[-1][0].headers["retry-after"]
    desk.database.close()


@pytest.fixture
def locked(desk: Desk) -> Desk:
    """A service that asks for keys."""
    desk.keys.create("somebody", [Scope.READ])
    return desk


def bearer(desk: Desk, *scopes: Scope) -> dict[str, str]:
    return {"Authorization": f"Bearer {desk.keys.create('test', scopes)[1]}"}


def test_without_a_key_nothing_but_health(locked: Desk, client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method in methods:
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == (503 if path == "/health" else 401), (method, path)
    assert client.get("/v1/jobs", headers={"Authorization": "Bearer limner_0_0"}).status_code == 401
    assert client.get("/v1/jobs", headers={"Authorization": "Basic eA=="}).status_code == 401


def test_scopes(locked: Desk, client: TestClient) -> None:
    reader = bearer(locked, Scope.READ)
    assert client.get("/v1/jobs", headers=reader).status_code == 200
    for request in (("POST", "/v1/uploads"), ("POST", "/v1/jobs"), ("DELETE", f"/v1/identities/{'0' * 32}")):
        refused = client.request(*request, headers=reader, json=PORTRAIT)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), request
    assert client.get("/metrics", headers=reader).status_code == 403
    assert client.get("/metrics", headers=bearer(locked, Scope.METRICS)).status_code == 200


def test_a_revoked_key_is_worthless_and_others_see_nothing(locked: Desk, client: TestClient) -> None:
    mine, yours = bearer(locked, Scope.READ, Scope.DRAW), bearer(locked, Scope.READ, Scope.DRAW, Scope.PEOPLE)
    job = client.post("/v1/jobs", json=PORTRAIT, headers=mine).json()["id"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events")):
        assert client.request(method, f"/v1/jobs/{job}{path}", headers=yours).status_code == 404
    assert client.get(f"/v1/jobs/{job}", headers=mine).status_code == 200
    locked.keys.revoke(mine["Authorization"].split("_")[1])
    assert client.get(f"/v1/jobs/{job}", headers=mine).status_code == 401


def test_health_and_metrics(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    assert (client.get("/health").status_code, client.get("/health").json()) == (503, {"status": "no worker"})
    with working(desk.database, desk.settings, studio):
        wait_for(lambda: client.get("/health").json() == {"status": "ok"})
        job = client.post("/v1/jobs", json={**PORTRAIT, "count": 3}).json()["id"]
        wait_until_ended(client, job)
        lines = wait_for(lambda: "limner_batches_total 1.0" in (text := client.get("/metrics").text) and text)
    lines = lines.splitlines()
    for line in ("limner_pictures_total 3.0", 'limner_jobs{state="done"} 1.0', "limner_workers 1.0"):
        assert line in lines
    assert any(line.startswith('limner_requests_total{method="POST",route="/v1/jobs",status="201"}') for line in lines)
    assert client.get("/v1/models").json() == {"models": [{"name": "miniature", "default": True}]}
    assert client.get("/v1/kinds").json() == {"kinds": ["batch", "portrait", "template"]}


def test_the_description_is_complete(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            assert told.get("operationId"), (method, path)
            assert told.get("description"), (method, path)
            assert any(status.startswith("2") for status in told["responses"])
    schema = described["components"]["schemas"]["PortraitRequest"]
    assert all(field.get("description") for name, field in schema["properties"].items() if name != "kind")


def test_a_real_model_draws_different_people_in_one_pass(tmp_path: Path, miniature_folder: Path) -> None:
    models = {"tiny": ModelSettings(model=str(miniature_folder), device="cpu")}
    desk = open_desk(settings_in(tmp_path, models=models), needs_key=False)
    studio = open_studio(models["tiny"])
    with (
        TestClient(create_app(desk), base_url="http://localhost") as client,
        asset_path("example/person.jpg").open("rb") as file,
    ):
        content = file.read()
        people = []
        for _ in range(2):
            upload = client.post("/v1/uploads", content=content).json()["id"]
            people.append(client.post("/v1/identities", json={"name": "E", "photos": [upload]}).json()["id"])
        requests = [
            {"kind": "portrait", "prompt": f"number {number}", "identity": person, "seed": number, "num_steps": 2}
            for number, person in enumerate(people)
        ]
        made = [client.post("/v1/jobs", json=request).json()["id"] for request in requests]
        with working(desk.database, desk.settings, studio):
            ended = [wait_until_ended(client, job) for job in made]
        assert [job["state"] for job in ended] == ["done", "done"], ended
        numbers = client.get("/metrics").text
        # Two people learnt one by one, then both drawn together.
        assert "limner_batches_total 3.0" in numbers
        picture = ended[1]["pictures"][0]
        content = client.get(f"/v1/jobs/{made[1]}/pictures/{picture['id']}").content
        (tmp_path / "picture.png").write_bytes(content)
        verdict = check_picture(tmp_path / "picture.png")
        assert (verdict.status, verdict.manifest and verdict.manifest.source_type) == (
            "marked",
            "trainedAlgorithmicMedia",
        )
        image = read_image(content)
        person = studio.identity(asset_path("example/person.jpg"))
        [alone] = studio.portrait(person, "number 1", seed=1, num_steps=2)
        assert np.abs(image.astype(int) - alone.image.astype(int)).max() <= 1
    desk.database.close()
