"""Each class of ../shared/specs/peers.md 6.2 is tried on our own service, on the loopback, and gets nowhere."""

import ast
import gc
import json
import os
import pickle
import re
import socket
import struct
import threading
import time
import tracemalloc
import weakref
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.api.guards import SAFETY_HEADERS
from limner.apps.service.bench import Bench, open_studio
from limner.apps.service.keys import Scope
from limner.apps.service.serving import guarded_desk, is_public
from limner.apps.service.settings import ModelSettings, ServiceSettings
from limner.core.errors import CheckpointError, ConfigError
from tests.apps.service.fakes import FakeStudio, settings_in, wait_for, working
from tests.apps.service.loopback import json_request, listening, request, send
from tests.apps.service.test_api import photo

SERVICE = Path(__file__).resolve().parents[3] / "src" / "limner" / "apps" / "service"
SECRET, BAIT = "the-secret-of-this-machine", "secret.txt"
"""What no answer may hold, and the file beside the service's folder that holds it."""


@pytest.fixture
def port(desk: Desk, studio: FakeStudio) -> Iterator[int]:
    """A whole service: server, worker, and a secret beside its folder."""
    (desk.blobs.folder.parent / BAIT).write_text(SECRET)
    with working(desk.database, desk.settings, studio), listening(desk) as port:
        yield port


def upload(port: int, content: bytes) -> tuple[int, dict[str, str], bytes]:
    return send(port, request("POST", "/v1/uploads", content))


def submit(port: int, **wanted) -> tuple[int, dict]:
    status, _, body = send(port, json_request("POST", "/v1/jobs", json.dumps(wanted).encode()))
    return status, json.loads(body)


def stored(desk: Desk) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (desk.blobs.folder / "uploads").glob("*")}


# Unsafe deserialisation


class Exploit:
    def __reduce__(self):
        return os.system, ("touch " + os.environ["LIMNER_TEST_TRACE"],)


def test_a_pickle_is_neither_taken_nor_run(
    port: int, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "run"
    monkeypatch.setenv("LIMNER_TEST_TRACE", str(trace))
    loaded = pickle.dumps(Exploit())
    assert upload(port, loaded)[0] == 422
    assert upload(port, photo() + loaded)[0] == 201
    assert all(b"touch" not in content for content in stored(desk).values())
    assert not trace.exists()


def test_models_are_read_as_safetensors_only(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(CheckpointError, match="as pickles only"):
        open_studio(ModelSettings(model=str(folder)))
    (tmp_path / "adapter.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(CheckpointError):
        open_studio(ModelSettings(model=str(folder), adapter=tmp_path / "adapter.bin"))


def test_the_service_has_nothing_that_runs_what_it_reads() -> None:
    forbidden = {"pickle", "marshal", "shelve", "yaml", "dill", "joblib", "cloudpickle"}
    calls = {"eval", "exec", "compile", "__import__"}
    for path in SERVICE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not forbidden & {name.split(".")[0] for name in names}, path
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id in calls), path
            assert not (isinstance(called, ast.Attribute) and called.attr == "load" and _is_torch(called)), path


def _is_torch(called: ast.Attribute) -> bool:
    return isinstance(called.value, ast.Name) and called.value.id == "torch"


# Path traversal

ESCAPES = [
    "../../secret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "..%252f..%252fsecret.txt",
    "....//....//secret.txt",
    "..\\..\\secret.txt",
    "..%5c..%5csecret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "secret.txt%00.png",
    "0" * 32 + "/../../../secret.txt",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_path_leads_out_of_the_folder(port: int, desk: Desk, escape: str) -> None:
    status, job = submit(port, kind="portrait", prompt="a", adapter_scale=0, num_steps=1)
    assert status == 201
    wait_for(lambda: desk.jobs.get("local", job["id"])[0].state == "done")
    for target in (f"/{escape}", f"/v1/{escape}", f"/v1/jobs/{escape}", f"/v1/jobs/{job['id']}/pictures/{escape}"):
        for method in ("GET", "DELETE"):
            status, _, body = send(port, request(method, target))
            assert 400 <= status < 500, (method, target, status)
            assert SECRET.encode() not in body
            assert b"root:" not in body
    assert (desk.blobs.folder.parent / BAIT).read_text() == SECRET
    for field in ("model", "identity"):
        status, told = submit(port, kind="portrait", prompt="a", adapter_scale=0, **{field: escape})
        assert (status, told["code"]) == (422, "invalid")
    wish = json.dumps({"name": "x", "photos": [escape]}).encode()
    assert send(port, json_request("POST", "/v1/identities", wish))[0] == 422


def test_names_stay_words(port: int, desk: Desk) -> None:
    made = json.loads(upload(port, photo())[2])["id"]
    wish = json.dumps({"name": "../../../../tmp/x", "photos": [made]}).encode()
    assert send(port, json_request("POST", "/v1/identities", wish))[0] == 202
    [person] = desk.people.list("local")
    wait_for(lambda: desk.people.get("local", person.id).state == "ready")
    assert re.fullmatch(r"[0-9a-f]{32}", str(desk.people.get("local", person.id).card))


# Server-side request forgery


def test_no_url_is_ever_fetched(port: int, desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(1.0)
        url = f"http://127.0.0.1:{bait.getsockname()[1]}/a.png"
        attempts = [
            request("POST", "/v1/uploads", url.encode()),
            request("POST", f"/v1/uploads?url={url}"),
            request("GET", url),
            json_request("POST", "/v1/uploads", json.dumps({"url": url}).encode()),
            json_request("POST", "/v1/identities", json.dumps({"name": url, "photos": [url]}).encode()),
        ]
        fields = ("identity", "model", "image_url", "prompt", "webhook", "callback")
        body = {"kind": "portrait", "prompt": "a", "adapter_scale": 0}
        attempts += [json_request("POST", "/v1/jobs", json.dumps({**body, field: url}).encode()) for field in fields]
        answers = [send(port, attempt)[0] for attempt in attempts]
        assert [status for status in answers if status >= 500] == []
        wait_for(lambda: all(job.state == "done" for job in desk.jobs.list("local")))
        with pytest.raises(TimeoutError):
            bait.accept()


# Cross-site scripting by uploads

SCRIPT = b"<script>alert(1)</script>"


def test_uploads_come_back_as_pixels_only(port: int, desk: Desk) -> None:
    for page in (SCRIPT, b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>", b"GIF89a" + SCRIPT):
        assert upload(port, page)[0] == 422
    info = PngInfo()
    info.add_text("Comment", SCRIPT.decode())
    stream = BytesIO()
    Image.new("RGB", (16, 16)).save(stream, format="PNG", pnginfo=info)
    exif = Image.Exif()
    exif[0x010E] = SCRIPT.decode()
    jpeg = BytesIO()
    Image.new("RGB", (16, 16)).save(jpeg, format="JPEG", exif=exif)
    for polyglot in (stream.getvalue() + SCRIPT, jpeg.getvalue() + SCRIPT):
        assert SCRIPT in polyglot
        assert upload(port, polyglot)[0] == 201
    kept = stored(desk)
    assert len(kept) == 2
    for content in kept.values():
        assert content.startswith(b"\x89PNG")
        assert b"script" not in content


def test_every_answer_has_a_fixed_type_and_may_not_be_sniffed(port: int, desk: Desk) -> None:
    _, job = submit(port, kind="portrait", prompt=SCRIPT.decode(), adapter_scale=0, num_steps=1)
    wait_for(lambda: desk.jobs.get("local", job["id"])[0].state == "done")
    [picture] = desk.jobs.get("local", job["id"])[1]
    types = {
        f"/v1/jobs/{job['id']}": "application/json",
        f"/v1/jobs/{job['id']}/pictures/{picture.id}": "image/png",
        f"/v1/jobs/{job['id']}/events": "text/event-stream",
        "/metrics": "text/plain",
        "/openapi.json": "application/json",
        f"/{SCRIPT.decode()}": "application/json",
        f"/v1/jobs/{SCRIPT.decode().replace(' ', '')}": "application/json",
    }
    for target, kind in types.items():
        _, headers, body = send(port, request("GET", target))
        assert headers["content-type"].split(";")[0] == kind, target
        for name, value in SAFETY_HEADERS.items():
            assert value in headers[name.lower()], (target, name)
        # Only the job itself repeats what was asked for, and that is data in JSON.
        assert SCRIPT not in body or job["id"] in target
    assert "attachment" in send(port, request("GET", list(types)[1]))[1]["content-disposition"]


# Open endpoints


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_a_public_bind_without_a_key_is_refused(tmp_path: Path, host: str) -> None:
    settings = settings_in(tmp_path)
    assert is_public(host)
    with pytest.raises(ConfigError, match="there is no API key; make one with `limner keys create`"):
        guarded_desk(settings, host)
    desk = open_desk(settings)
    key, _ = desk.keys.create("a", [Scope.READ])
    assert guarded_desk(settings, host).needs_key
    desk.keys.revoke(key.id)
    with pytest.raises(ConfigError):
        guarded_desk(settings, host)
    assert guarded_desk(settings, "127.0.0.1").needs_key
    desk.database.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_the_loopback_is_not_public(host: str) -> None:
    assert not is_public(host)


def test_a_name_bent_to_this_machine_and_pages_of_other_sites_get_nothing(port: int) -> None:
    body = json.dumps({"kind": "portrait", "prompt": "a", "adapter_scale": 0}).encode()
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", ""):
        assert send(port, request("GET", "/v1/jobs", host=host))[0] in (400, 403), host
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        crossed = request("POST", "/v1/uploads", photo(), headers=(f"Origin: {origin}",))
        assert send(port, crossed)[0] == 403
    # What a foreign page may send without asking first: a form, or text.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        status = send(port, request("POST", "/v1/jobs", body, headers=(f"Content-Type: {kind}",)))[0]
        assert status == 422
    assert send(port, request("GET", "/v1/jobs"))[2] == b'{"jobs":[]}'
    assert send(port, request("GET", "/v1/jobs", host="localhost:1234"))[0] == 200


def test_the_first_key_closes_a_service_that_runs(port: int, desk: Desk) -> None:
    assert send(port, request("GET", "/v1/jobs"))[0] == 200
    _, text = desk.keys.create("first", [Scope.READ])
    assert send(port, request("GET", "/v1/jobs"))[0] == 401
    assert send(port, request("GET", "/v1/jobs", headers=(f"Authorization: Bearer {text}",)))[0] == 200
    wrong = text[:-1] + ("a" if text[-1] != "a" else "b")
    assert send(port, request("GET", "/v1/jobs", headers=(f"Authorization: Bearer {wrong}",)))[0] == 401


def test_keys_are_kept_as_hashes(desk: Desk) -> None:
    _, text = desk.keys.create("first", [Scope.READ])
    secret = text.split("_", 2)[2].encode()
    assert all(secret not in path.read_bytes() for path in desk.blobs.folder.rglob("*") if path.is_file())


# Decompression bombs


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1024 * 1024))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_bombs_are_refused_by_their_header(port: int, desk: Desk) -> None:
    tracemalloc.start()
    started = time.monotonic()
    for size in ((30_000, 30_000), (65_000, 65_000), (1, 2_000_000), (5001, 5000)):
        status, _, body = upload(port, bomb(*size))
        assert status == 413, body
        assert b"make it smaller" in body
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000  # 25 million pixels alone would take 75
    assert time.monotonic() - started < 10
    many = BytesIO()
    frames = [Image.new("RGB", (64, 64), (5 * number, 0, 0)) for number in range(50)]
    frames[0].save(many, format="GIF", save_all=True, append_images=frames[1:])
    status, _, body = upload(port, many.getvalue())
    assert (status, b"several frames" in body) == (422, True)
    text = PngInfo()
    text.add_text("a", "a" * 200_000_000, zip=True)
    small = BytesIO()
    Image.new("RGB", (16, 16)).save(small, format="PNG", pnginfo=text)
    assert upload(port, small.getvalue())[0] == 422
    assert stored(desk) == {}


def test_bodies_that_are_too_long_are_cut_off(port: int) -> None:
    liar = request("POST", "/v1/jobs").replace(b"Content-Length: 0", b"Content-Length: 99999999999999999999999")
    assert send(port, liar)[0] in (400, 413)
    chunk = f"{60_000:x}\r\n".encode() + b" " * 60_000 + b"\r\n"
    head = request("POST", "/v1/jobs", headers=("Content-Type: application/json", "Transfer-Encoding: chunked"))
    assert send(port, head.replace(b"Content-Length: 0\r\n", b"") + 2 * chunk + b"0\r\n\r\n")[0] == 413


def test_bodies_that_never_end_are_cut_off(tmp_path: Path) -> None:
    desk = open_desk(settings_in(tmp_path, times={"body": 0.3}), needs_key=False)
    with listening(desk) as port:
        started = time.monotonic()
        slow = request("POST", "/v1/uploads").replace(b"Content-Length: 0", b"Content-Length: 1000")
        status, _, body = send(port, slow + b"x")
        assert (status, b"within 0.3 seconds" in body) == (408, True)
        assert time.monotonic() - started < 5
    desk.database.close()


# Silent degradation


def test_a_missing_device_is_an_error_and_a_missing_worker_is_told(tmp_path: Path, miniature_folder: Path) -> None:
    with pytest.raises(ConfigError, match="the device 'cuda:77' cannot be used"):
        open_studio(ModelSettings(model=str(miniature_folder), device="cuda:77"))
    desk = open_desk(settings_in(tmp_path), needs_key=False)
    with listening(desk) as port:
        status, _, body = send(port, request("GET", "/health"))
        assert (status, json.loads(body)) == (503, {"status": "no worker"})
    desk.database.close()


# Memory growth


def test_models_are_closed_when_others_are_opened(desk: Desk) -> None:
    models = {name: ModelSettings() for name in "abc"}
    settings = ServiceSettings(data=desk.settings.data, models=models, max_models=2)
    bench = Bench(desk.database, settings, desk.blobs, lambda _: FakeStudio())  # pyright: ignore[reportArgumentType]
    first = weakref.ref(bench.studio("a"))
    bench.studio("b")
    assert bench.studio("a") is first()
    bench.studio("c")
    bench.studio("b")
    gc.collect()
    assert first() is None


def test_requests_leave_nothing_behind_in_memory(port: int, desk: Desk) -> None:
    def round_of_requests() -> None:
        made = json.loads(upload(port, photo())[2])["id"]
        send(port, request("DELETE", f"/v1/uploads/{made}"))
        _, job = submit(port, kind="portrait", prompt="a", adapter_scale=0, num_steps=1)
        wait_for(lambda: desk.jobs.get("local", job["id"])[0].state == "done")
        send(port, request("GET", f"/v1/jobs/{job['id']}/events"))
        send(port, request("GET", f"/nothing/{job['id']}"))
        send(port, request("DELETE", f"/v1/jobs/{job['id']}"))

    for _ in range(15):
        round_of_requests()
    gc.collect()
    tracemalloc.start()
    before, threads = tracemalloc.take_snapshot(), threading.active_count()
    for _ in range(30):
        round_of_requests()
    gc.collect()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    grown = sum(max(one.size_diff, 0) for one in after.compare_to(before, "filename"))
    assert grown / 30 < 20_000
    assert threading.active_count() <= threads + 2


# Supply chain


def test_nothing_is_loaded_from_other_hosts(port: int) -> None:
    for target in ("/docs", "/redoc", "/"):
        assert send(port, request("GET", target))[0] == 404
    hosts = re.compile(r"https?://(?!localhost|127\.0\.0\.1)[\w.-]+")
    for path in SERVICE.rglob("*.py"):
        assert not hosts.findall(path.read_text()), path
    assert not hosts.findall(send(port, request("GET", "/openapi.json"))[2].decode())


def test_every_package_of_the_service_is_pinned() -> None:
    root = SERVICE.parents[3]
    extra = re.search(r"^service = \[(.*)\]$", (root / "pyproject.toml").read_text(), re.MULTILINE)
    assert extra is not None
    named = {re.split(r"[^\w-]", name.strip('" '))[0].lower() for name in extra[1].split(",")}
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (root / "constraints.txt").read_text().split()}
    assert named - pinned == set()
