"""What is due is deleted, and deletion leaves nothing behind, in the tables, the files or the database's own log."""

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image
from starlette.testclient import TestClient

from limner.apps.service.api.desk import Desk
from limner.apps.service.blobs import IDENTITIES, PICTURES, UPLOADS, Blobs, new_id
from limner.apps.service.errors import NotFoundError
from limner.apps.service.retention import sweep
from limner.apps.service.tables import jobs, uploads
from tests.apps.service.fakes import FakeStudio, some_job, wait_for, working
from tests.apps.service.test_api import learn, photo, wait_until_ended


def files(desk: Desk) -> list[str]:
    return [path.name for kind in (UPLOADS, IDENTITIES, PICTURES) for path in (desk.blobs.folder / kind).glob("*")]


def test_old_jobs_go_with_their_pictures_and_new_ones_stay(desk: Desk, studio: FakeStudio) -> None:
    with working(desk.database, desk.settings, studio):
        made = [desk.jobs.submit(some_job(rows=2))[0] for _ in range(2)]
        for job in made:
            wait_for(lambda job=job: desk.jobs.get("local", job.id)[0].state == "done")
    old, new = made
    with desk.database.writing() as connection:
        long_ago = time.time() - desk.settings.retention.jobs * 3600 - 1
        connection.execute(sa.update(jobs).where(jobs.c.id == old.id).values(finished_at=long_ago))
    assert sweep(desk.database, desk.blobs, desk.settings) == 1
    with pytest.raises(NotFoundError):
        desk.jobs.get("local", old.id)
    assert sorted(files(desk)) == sorted(f"{picture.id}.png" for picture in desk.jobs.get("local", new.id)[1])


def test_unused_uploads_go_when_their_time_is_over(desk: Desk, client: TestClient) -> None:
    kept, due = (client.post("/v1/uploads", content=photo()).json()["id"] for _ in range(2))
    with desk.database.writing() as connection:
        connection.execute(sa.update(uploads).where(uploads.c.id == due).values(expires_at=time.time() - 1))
    sweep(desk.database, desk.blobs, desk.settings)
    assert files(desk) == [f"{kept}.png"]


def test_what_killed_processes_leave_is_removed_when_it_is_old(desk: Desk) -> None:
    old, fresh = (desk.blobs.path(PICTURES, new_id()) for _ in range(2))
    part = old.with_name(".half.part")
    for path in (old, fresh, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path, format="PNG")
    long_ago = time.time() - 3600
    for path in (old, part):
        os.utime(path, (long_ago, long_ago))
    sweep(desk.database, desk.blobs, desk.settings)
    assert files(desk) == [fresh.name]


def everything_stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_deleted_person_leaves_no_trace(desk: Desk, client: TestClient, studio: FakeStudio) -> None:
    secrets = {"name": "Ada-of-the-test", "consent": "signed-by-herself", "prompt": "a-very-special-wish"}
    with working(desk.database, desk.settings, studio):
        person = learn(client, name=secrets["name"], consent=secrets["consent"])
        request = {"kind": "portrait", "prompt": secrets["prompt"], "identity": person["id"]}
        job = client.post("/v1/jobs", json=request).json()
        assert wait_until_ended(client, job["id"])["state"] == "done"
        other = client.post("/v1/jobs", json={**request, "identity": None, "adapter_scale": 0, "prompt": "kept"}).json()
        assert wait_until_ended(client, other["id"])["state"] == "done"
    stored = everything_stored(desk.blobs.folder)
    assert all(secret.encode() in stored for secret in secrets.values())
    assert client.delete(f"/v1/identities/{person['id']}").status_code == 204
    stored = everything_stored(desk.blobs.folder)
    assert [secret for secret in [*secrets.values(), person["id"], job["id"]] if secret.encode() in stored] == []
    [picture] = client.get(f"/v1/jobs/{other['id']}").json()["pictures"]
    assert files(desk) == [f"{picture['id']}.png"]
    for path in (f"/v1/identities/{person['id']}", f"/v1/jobs/{job['id']}"):
        assert client.get(path).status_code == 404


def test_photos_are_gone_as_soon_as_the_person_is_learnt_or_not(
    desk: Desk, client: TestClient, studio: FakeStudio
) -> None:
    with working(desk.database, desk.settings, studio):
        person = learn(client)
        assert person["state"] == "ready"
        nobody = learn(client, photo(dark=True))
        assert nobody["state"] == "failed"
        assert "no face was found" in nobody["problem"]
        wait_for(lambda: not list((desk.blobs.folder / UPLOADS).glob("*")))
    assert len(list((desk.blobs.folder / IDENTITIES).glob("*"))) == 1


def test_ids_are_the_only_names() -> None:
    blobs = Blobs(Path("/srv"))
    for name in ("", "../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + "\n", "/etc/passwd", ".."):
        with pytest.raises(NotFoundError):
            blobs.path(PICTURES, name)
