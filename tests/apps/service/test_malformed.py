"""Files that are almost pictures: every one is taken or refused with a reason, and nothing is left half-written."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.settings import Limits
from limner.core.images import FORMATS, read_image
from tests.apps.service.fakes import settings_in

MODES = {"PNG": ("RGB", "RGBA", "L", "P", "I;16", "1"), "JPEG": ("RGB", "L", "CMYK"), "TIFF": ("RGB", "F", "I;16")}
SIZES = ((1, 1), (7, 9), (8, 8), (31, 17))


def _whole_files() -> list[bytes]:
    """Small pictures of every format that is read, in the modes where they differ."""
    files = []
    for kind in FORMATS:
        for mode in MODES.get(kind, ("RGB",)):
            for size in SIZES:
                stream = BytesIO()
                Image.new(mode, size).save(stream, format=kind)
                files.append(stream.getvalue())
    return files


FILES = _whole_files()


@st.composite
def nearly_pictures(draw: Callable) -> bytes:
    """A picture with bytes changed, cut, repeated, put in or swapped with those of another; or no picture at all."""
    content = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(("change", "cut", "insert", "repeat", "graft", "number", "noise")))
        if kind == "change" and content:
            content[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 64))]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=16))
        elif kind == "repeat":
            content[place:place] = content[place : place + 32] * draw(st.integers(1, 20))
        elif kind == "graft":
            content[place:] = draw(st.sampled_from(FILES))[place:]
        elif kind == "number":
            content[place : place + 4] = draw(st.sampled_from((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4))))
        else:
            content = bytearray(draw(st.binary(max_size=256)))
    return bytes(content)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    limits = Limits(uploads_per_key=10**6, upload_bytes=64 * 1024, upload_pixels=10**6)
    desk = open_desk(settings_in(tmp_path_factory.mktemp("service"), limits=limits), needs_key=False)
    yield desk
    desk.database.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url="http://localhost", raise_server_exceptions=True) as client:
        yield client


def check(client: TestClient, folder: Path, content: bytes) -> None:
    before = set(folder.glob("*"))
    answer = client.post("/v1/uploads", content=content)
    assert answer.status_code in (201, 413, 422), answer.text
    fresh = set(folder.glob("*")) - before
    if answer.status_code != 201:
        assert answer.json()["message"]
        assert fresh == set()
        return
    [path] = fresh
    made = answer.json()
    assert path.name == f"{made['id']}.png"
    assert read_image(path).shape == (made["height"], made["width"], 3)
    assert client.delete(f"/v1/uploads/{made['id']}").status_code == 204
    assert not path.exists()


RELAXED = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=60, **RELAXED)
@given(content=nearly_pictures())
def test_malformed_pictures(client: TestClient, desk: Desk, content: bytes) -> None:
    check(client, desk.blobs.folder / "uploads", content)


@pytest.mark.slow
@settings(max_examples=10_000, **RELAXED)
@given(content=nearly_pictures())
def test_ten_thousand_malformed_pictures(client: TestClient, desk: Desk, content: bytes) -> None:
    check(client, desk.blobs.folder / "uploads", content)


def test_whole_pictures_are_mostly_taken(client: TestClient) -> None:
    """The attack starts from files that would pass, or it would test little."""
    taken = sum(client.post("/v1/uploads", content=content).status_code == 201 for content in FILES)
    assert taken / len(FILES) > 0.4
