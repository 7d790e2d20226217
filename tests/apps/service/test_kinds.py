"""Templates, batches, styles and checks over HTTP, with a worker that draws at once."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from limner.apps.service.api.desk import Desk
from limner.apps.service.blobs import UPLOADS
from limner.apps.service.kinds import portrait
from limner.apps.service.settings import ServiceSettings
from limner.apps.styles import all_styles
from limner.core.assets import asset_path
from limner.core.images import encode_png, read_image
from limner.trust.making import Making
from limner.trust.marks import save_picture
from tests.apps.service.fakes import SIDE, FakeAssembly, FakeStudio, painted, working
from tests.apps.service.test_api import learn, photo, wait_until_ended


def upload(client: TestClient, content: bytes | None = None) -> str:
    return client.post("/v1/uploads", content=content or photo()).json()["id"]


def done(client: TestClient, request: dict[str, Any]) -> dict[str, Any]:
    made = client.post("/v1/jobs", json=request)
    assert made.status_code == 201, made.text
    return wait_until_ended(client, made.json()["id"])


def pixels(client: TestClient, job: dict[str, Any], number: int = 0) -> np.ndarray:
    picture = job["pictures"][number]
    return read_image(client.get(f"/v1/jobs/{job['id']}/pictures/{picture['id']}").content)


def test_a_person_is_put_into_a_template(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        person = learn(client)
        template, mask = upload(client), upload(client)
        request = {"kind": "template", "identity": person["id"], "template": template, "mask": mask, "face": 2}
        job = done(client, {**request, "seed": 3, "count": 2, "region": "head", "strength": 0.4})
    assert (job["state"], [one["seed"] for one in job["pictures"]]) == ("done", [3, 4])
    image = pixels(client, job)
    assert np.array_equal(image[:SIDE, :SIDE], painted("a photo of a person", 3))
    assert image.shape == (24, 32, 3)
    assert (studio.asked["assign"], studio.asked["region"], studio.asked["strength"]) == ([2], "head", 0.4)
    assert studio.asked["mask"] is not None
    assert not list((desk.blobs.folder / UPLOADS).glob("*"))  # used up


def test_a_template_without_a_face_is_told_without_a_path(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        person = learn(client)
        job = done(client, {"kind": "template", "identity": person["id"], "template": upload(client, photo(dark=True))})
    assert (job["state"], job["problem_code"]) == ("failed", "refused")
    assert "shows nobody" in job["problem"]
    assert "/" not in job["problem"]
    assert client.post(f"/v1/jobs/{job['id']}/retry").status_code == 409  # its uploads are gone


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"template": "../x"}, 422, "template"),
        ({"template": "0" * 32}, 404, "there is no upload"),
        ({"identity": "0" * 32}, 404, "no such identity"),
        ({"identity": None}, 422, "identity"),
        ({"region": "body"}, 422, "region"),
        ({"strength": 0}, 422, "strength"),
        ({"count": 17}, 422, "count is 17"),
        ({"face": -1}, 422, "face"),
        ({"url": "http://example.com/a.png"}, 422, "url"),
        ({"style": "no-such-style"}, 422, "the style 'no-such-style' is unknown"),
    ],
)
def test_templates_that_are_not_accepted(
    desk: Desk, client: TestClient, studio: FakeStudio, changes: dict[str, Any], status: int, told: str
) -> None:
    with working(desk.database, desk.settings, studio):
        person = learn(client)
    request = {"kind": "template", "identity": person["id"], "template": upload(client), **changes}
    answer = client.post("/v1/jobs", json=request)
    assert answer.status_code == status
    assert told in answer.json()["message"]


ROWS = [{"prompt": "smiling", "seed": 1}, {"prompt": "forbidden"}, {"prompt": "old", "seed": 2, "style": "pencil"}]
BATCH = {"kind": "batch", "rows": ROWS, "adapter_scale": 0, "num_steps": 2}


def test_a_batch_draws_its_rows_together_and_tells_which_were_refused(
    desk: Desk, client: TestClient, studio: FakeStudio
) -> None:
    with working(desk.database, desk.settings, studio):
        job = done(client, BATCH)
    assert studio.batches == [["smiling", "forbidden", "old"]]
    assert (job["state"], [one["seed"] for one in job["pictures"]]) == ("done", [1, 2])
    assert job["problem"] == "row 1: a rule forbids it"
    assert np.array_equal(pixels(client, job, 1), painted("old", 2))


def test_a_batch_of_which_nothing_comes_fails(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        job = done(client, {**BATCH, "rows": [{"prompt": "forbidden"}]})
    assert (job["state"], job["problem"], job["pictures"]) == ("failed", "row 0: a rule forbids it", [])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": []}, "rows"),
        ({"rows": [{"prompt": "a"}] * 17}, "rows are 17"),
        ({"rows": [{"prompt": " "}]}, "the prompt is missing"),
        ({"rows": [{"prompt": "a", "person": "/etc/passwd"}]}, "person"),
        ({"rows": [{"prompt": "a", "style": "../x"}]}, "style"),
        ({"rows": [{"prompt": "a", "style": "pencl"}]}, "did you mean 'pencil'"),
        ({"adapter_scale": 0.8}, "no identity was given"),
        ({"num_steps": 101}, "num_steps is 101"),
        ({"model": "other"}, "there is no model"),
    ],
)
def test_batches_that_are_not_accepted(client: TestClient, changes: dict[str, Any], told: str) -> None:
    answer = client.post("/v1/jobs", json={**BATCH, **changes})
    assert answer.status_code == 422
    assert told in answer.json()["message"]


def test_deleting_a_person_deletes_what_came_of_them(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        person = learn(client)
        jobs = [
            done(client, {**BATCH, "identity": person["id"]}),
            done(client, {"kind": "template", "identity": person["id"], "template": upload(client)}),
        ]
    assert client.delete(f"/v1/identities/{person['id']}").status_code == 204
    assert [client.get(f"/v1/jobs/{job['id']}").status_code for job in jobs] == [404, 404]


def test_a_style_adds_its_words(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    request = {"kind": "portrait", "prompt": "a person", "adapter_scale": 0, "num_steps": 2, "style": "pencil"}
    with working(desk.database, desk.settings, studio):
        assert done(client, request)["request"]["style"] == "pencil"
    assert client.post("/v1/jobs", json={**request, "style": "pencl"}).status_code == 422


LARGE = {"kind": "portrait", "prompt": "a person", "adapter_scale": 0, "num_steps": 2, "enlarge": True}


@pytest.mark.parametrize("asked", [LARGE, {**BATCH, "enlarge": True}])
def test_a_model_that_cannot_enlarge_says_so_without_a_path(
    desk: Desk, client: TestClient, studio: FakeStudio, asked: dict[str, Any]
) -> None:
    with working(desk.database, desk.settings, studio):
        job = done(client, asked)
    assert (job["state"], job["problem_code"], studio.batches) == ("failed", "refused", [])
    assert "the model miniature brings no network that enlarges" in job["problem"]
    assert "/" not in job["problem"]


def test_enlarged_pictures_are_drawn_in_passes_of_their_own(
    desk: Desk, client: TestClient, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeAssembly, "enlarger", None)
    made = [
        client.post("/v1/jobs", json={**LARGE, "enlarge": enlarge, "prompt": prompt}).json()["id"]
        for prompt, enlarge in (("a", True), ("b", False), ("c", True))
    ]
    with working(desk.database, desk.settings, studio):
        assert [wait_until_ended(client, one)["state"] for one in made] == ["done"] * 3
        done(client, {**BATCH, "enlarge": True})
    assert studio.batches[:2] == [["a", "c"], ["b"]]
    assert studio.enlarged == [True, False, True]


def test_the_limit_of_pixels_is_that_of_the_enlarged_picture(client: TestClient) -> None:
    side = {"height": 768, "width": 768}
    assert client.post("/v1/jobs", json={**LARGE, **side, "enlarge": False}).status_code == 201
    answer = client.post("/v1/jobs", json={**LARGE, **side})
    assert (answer.status_code, f"height times width is {4 * 768**2}" in answer.json()["message"]) == (422, True)


def test_styles_are_listed(client: TestClient) -> None:
    told = client.get("/v1/styles").json()["styles"]
    assert [one["name"] for one in told] == [one.name for one in all_styles()]
    [pencil] = [one for one in told if one["name"] == "pencil"]
    assert (pencil["theme"], pencil["miniature"]) == ("medium", True)


def test_a_marked_picture_is_told_from_a_plain_one(client: TestClient, tmp_path: Path) -> None:
    image = read_image(asset_path("example/person.jpg"))
    save_picture(tmp_path / "marked.png", image, Making(kind="created", model="a fake"))
    marked = client.post("/v1/check", content=(tmp_path / "marked.png").read_bytes()).json()
    assert (marked["status"], marked["problems"]) == ("marked", [])
    assert marked["manifest"]["source_type"] == "trainedAlgorithmicMedia"
    assert dict(marked["told"])["intact"] == "yes, since it was signed"
    plain = client.post("/v1/check", content=encode_png(image)).json()
    assert (plain["status"], plain["manifest"], plain["watermark"]) == ("unmarked", None, None)


def test_only_pictures_are_checked_and_none_is_kept(desk: Desk, client: TestClient) -> None:
    stream = BytesIO()
    Image.new("1", (6000, 6000)).save(stream, format="PNG")
    assert client.post("/v1/check", content=stream.getvalue()).status_code == 413
    assert client.post("/v1/check", content=b"#!/bin/sh").status_code == 422
    assert client.post("/v1/check", content=b"").status_code in (400, 422)
    assert client.post("/v1/check", json={"url": "http://127.0.0.1:1/x.png"}).status_code == 422
    assert client.post("/v1/check", content=b"x" * (desk.settings.limits.upload_bytes + 1)).status_code == 413
    assert not list(desk.blobs.folder.rglob("*.png"))


def test_portraits_with_and_without_the_guide_are_not_drawn_together(settings: ServiceSettings) -> None:
    whole: dict[str, Any] = {"kind": "portrait", "prompt": "a", "adapter_scale": 0}
    changes: list[dict[str, Any]] = [{}, {"identity_guidance": 0.0}, {"identity_guidance": 0.2}, {"seed": 3}]
    requests = [portrait.PortraitRequest.model_validate(whole | one) for one in changes]
    groups = [portrait.KIND.plan(request, settings).group for request in requests]
    assert len(set(groups)) == 3
    assert groups[0] == groups[3]
    assert portrait._settings({"prompt": "a", "identity_guidance": 0.2}).identity_guidance == 0.2
