"""Jobs of several people over HTTP: each in their own place, of one owner, with the fate of each told."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from limner.apps.service.api.desk import Desk
from limner.apps.service.blobs import IDENTITIES, new_id
from limner.apps.service.keys import Scope
from limner.core.images import encode_png, read_image
from limner.data.invented_people import photo_of
from tests.apps.service.fakes import FakeStudio, painted, working
from tests.apps.service.test_api import learn, wait_until_ended
from tests.apps.service.test_kinds import done, pixels, upload

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto-service.md"
ANNA, BELA = 60, 200
"""Two people as the fake knows them: by how bright their photo is."""
DIALS = {"num_steps": 2}


def shade(value: int) -> bytes:
    return encode_png(np.full((24, 32, 3), value, np.uint8))


def known(client: TestClient, *shades: int) -> list[str]:
    return [learn(client, shade(one))["id"] for one in shades]


@pytest.mark.parametrize(("faces", "assigned"), [([1, 0], [1, 0]), ([None, None], None)])
def test_two_people_are_put_into_one_template(
    desk: Desk, client: TestClient, studio: FakeStudio, faces: list[int | None], assigned: list[int] | None
) -> None:
    with working(desk.database, desk.settings, studio):
        both = known(client, ANNA, BELA)
        people = [{"identity": one, "face": face} for one, face in zip(both, faces, strict=True)]
        job = done(client, {"kind": "template", "people": people, "template": upload(client), **DIALS})
    assert (job["state"], job["identity"], len(job["pictures"])) == ("done", None, 1)
    assert studio.people == [[ANNA, BELA]]
    assert studio.asked["assign"] == assigned
    assert job["pictures"][0]["similarity"] == pytest.approx(0.4)  # of the two the least


ONE, OTHER = {"identity": "0" * 32}, {"identity": "1" * 32}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "give identity for one person, or people for several"),
        ({**ONE, "people": [OTHER]}, "one of the two"),
        ({"people": []}, "people"),
        ({"people": [ONE, {**OTHER, "face": 1}]}, "give all or none"),
        ({"people": [ONE, OTHER], "face": 1}, "give all or none"),
        ({"people": [{**ONE, "face": 1}, {**OTHER, "face": 1}]}, "the same face was given to two people"),
        ({"people": [ONE] * 9, "count": 2}, "count times people is 18"),
        ({"people": [{"identity": "../x"}]}, "identity"),
        ({"people": [{**ONE, "photo": "/etc/passwd"}]}, "photo"),
    ],
)
def test_templates_of_nobody_knows_whom_are_not_accepted(client: TestClient, asked: dict[str, Any], told: str) -> None:
    answer = client.post("/v1/jobs", json={"kind": "template", "template": "0" * 32, **asked})
    assert answer.status_code == 422
    assert told in answer.json()["message"]


def test_each_row_of_a_batch_has_its_own_person(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        anna, bela = known(client, ANNA, BELA)
        rows = [{"prompt": "smiling", "identity": bela}, {"prompt": "old"}, {"prompt": "sad", "identity": bela}]
        job = done(client, {"kind": "batch", "identity": anna, "rows": rows, **DIALS})
        alone = done(client, {"kind": "batch", "rows": [{"prompt": "smiling", "identity": bela}], **DIALS})
    assert [one["state"] for one in (job, alone)] == ["done", "done"]
    assert studio.people == [[BELA, ANNA, BELA], [BELA]]
    assert np.array_equal(pixels(client, job, 1), painted("old", 0))


def test_the_wishes_of_the_how_to_are_met(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    wishes = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with working(desk.database, desk.settings, studio):
        anna, bela = known(client, ANNA, BELA)
        for wish in wishes:
            filled = wish.replace("ANNA", anna).replace("BELA", bela).replace("UPLOAD", upload(client))
            assert done(client, json.loads(filled))["state"] == "done"
    assert studio.people == [[ANNA, BELA], [ANNA, BELA]]
    assert studio.asked["assign"] == [1, 0]


def test_an_invented_person_needs_a_name_only(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    verin, mosk = (round(read_image(photo_of(name)).mean()) for name in ("Alma Verin", "Bruno Mosk"))
    rows = [{"prompt": "a photo of Bruno Mosk"}, {"prompt": "Alma Verin", "identity": None}]
    with working(desk.database, desk.settings, studio):
        [anna] = known(client, ANNA)
        asked = {"kind": "portrait", "prompt": "Alma Verin, smiling"}
        done(client, {**asked, **DIALS})
        done(client, {**asked, "identity": anna, **DIALS})
        done(client, {**asked, "adapter_scale": 0, **DIALS})
        done(client, {"kind": "batch", "rows": rows, **DIALS})
    assert studio.people == [[verin], [ANNA], [None], [mosk, verin]]
    two = {"kind": "portrait", "prompt": "Alma Verin and Bruno Mosk"}
    answer = client.post("/v1/jobs", json=two)
    assert (answer.status_code, "names Alma Verin and Bruno Mosk" in answer.json()["message"]) == (422, True)
    assert client.post("/v1/jobs", json={**two, "adapter_scale": 0}).status_code == 201


def test_a_row_of_nobody_is_not_accepted(client: TestClient) -> None:
    rows = [{"prompt": "a", "identity": "0" * 32}, {"prompt": "b"}]
    answer = client.post("/v1/jobs", json={"kind": "batch", "rows": rows})
    assert answer.status_code == 422
    assert "row 1: no identity was given" in answer.json()["message"]


def test_rows_whose_person_or_picture_fails_are_told_and_the_rest_is_drawn(
    desk: Desk, client: TestClient, studio: FakeStudio
) -> None:
    with working(desk.database, desk.settings, studio):
        anna, bela = known(client, ANNA, BELA)
        card = desk.people.get("local", bela).card
        desk.blobs.path(IDENTITIES, str(card)).write_bytes(b"no card")
        rows = [
            {"prompt": "smiling", "identity": bela},
            {"prompt": "refuse", "identity": anna},
            {"prompt": "old", "identity": anna, "seed": 5},
        ]
        job = done(client, {"kind": "batch", "rows": rows, **DIALS})
    assert (job["state"], [one["seed"] for one in job["pictures"]]) == ("done", [5])
    first, second = job["problem"].split("; row ")
    assert first.startswith("row 0: the card of this person is damaged")
    assert second.startswith("1: this cannot be drawn")
    assert np.array_equal(pixels(client, job), painted("old", 5))


def test_somebody_elses_person_is_refused_as_one_who_does_not_exist(
    desk: Desk, client: TestClient, studio: FakeStudio
) -> None:
    keys = [desk.keys.create(name, list(Scope))[1] for name in ("mine", "theirs")]
    mine, theirs = ({"Authorization": f"Bearer {key}"} for key in keys)
    with working(desk.database, desk.settings, studio):
        client.headers.update(theirs)
        foreign = learn(client, shade(ANNA))["id"]
        client.headers.update(mine)
        own = learn(client, shade(BELA))["id"]
    nobody = new_id()
    for asked in (
        lambda who: {"kind": "batch", "identity": own, "rows": [{"prompt": "a"}, {"prompt": "b", "identity": who}]},
        lambda who: {"kind": "batch", "identity": who, "rows": [{"prompt": "a", "identity": own}]},
        lambda who: {
            "kind": "template",
            "template": upload(client),
            "people": [{"identity": own}, {"identity": who}],
        },
        lambda who: {"kind": "portrait", "prompt": "a", "identity": who},
    ):
        answers = [client.post("/v1/jobs", json=asked(who)) for who in (foreign, nobody)]
        told = [one.json()["message"].replace(who, "X") for one, who in zip(answers, (foreign, nobody), strict=True)]
        assert [one.status_code for one in answers] == [404, 404]
        assert told[0] == told[1]
    assert {one["kind"] for one in client.get("/v1/jobs").json()["jobs"]} == {"identity"}  # nothing was handed in


def test_a_job_waits_for_all_its_people_and_fails_with_any(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    photos = [upload(client, shade(value)) for value in (ANNA, 0)]
    people = [client.post("/v1/identities", json={"name": "x", "photos": [one]}).json()["id"] for one in photos]
    rows = [{"prompt": "a", "identity": one} for one in people]
    made = client.post("/v1/jobs", json={"kind": "batch", "rows": rows, **DIALS}).json()
    with working(desk.database, desk.settings, studio):
        job = wait_until_ended(client, made["id"])
    assert (job["state"], job["problem_code"]) == ("failed", "identity_failed")
    assert "no face was found" in job["problem"]
    assert studio.batches == []


def test_deleting_one_of_the_people_deletes_what_they_are_in_and_nothing_else(
    desk: Desk, client: TestClient, studio: FakeStudio
) -> None:
    with working(desk.database, desk.settings, studio):
        anna, bela = known(client, ANNA, BELA)
        rows = [{"prompt": "a", "identity": one} for one in (anna, bela)]
        both = done(client, {"kind": "batch", "rows": rows, **DIALS})
        alone = done(client, {"kind": "portrait", "prompt": "a", "identity": anna, **DIALS})
    assert client.delete(f"/v1/identities/{bela}").status_code == 204
    assert [client.get(f"/v1/jobs/{one['id']}").status_code for one in (both, alone)] == [404, 200]
