"""The classes of ../shared/specs/peers.md 6.2 where no single request leads: every route, every file, every import."""

import ast
import json
import pickle
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.bench import open_studio
from limner.apps.service.settings import ModelSettings
from limner.core.errors import CheckpointError
from limner.identity.identity import Identity
from tests.apps.service.fakes import settings_in
from tests.apps.service.loopback import json_request, listening, request, send
from tests.apps.service.test_api import photo
from tests.apps.service.test_attacks import BAIT, ESCAPES, Exploit, stored, upload
from tests.apps.service.test_kill import free_port

SOURCE = Path(__file__).resolve().parents[3] / "src"
NO_KEY_NEEDED = {"/health"}


@pytest.fixture
def port(desk: Desk) -> Iterator[int]:
    with listening(desk) as port:
        yield port


def operations(desk: Desk) -> list[tuple[str, str, dict]]:
    paths = create_app(desk).openapi()["paths"]
    return [(method.upper(), path, told) for path, ways in paths.items() for method, told in ways.items()]


# Unsafe deserialisation


@pytest.mark.parametrize("field", ["adapter", "encoder"])
def test_a_pickle_that_calls_itself_safetensors_is_not_run(
    field: str, tmp_path: Path, miniature_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "run"
    monkeypatch.setenv("LIMNER_TEST_TRACE", str(trace))
    (tmp_path / "bad.safetensors").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        open_studio(ModelSettings.model_validate({"model": str(miniature_folder), field: tmp_path / "bad.safetensors"}))
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        Identity.load(tmp_path / "bad.safetensors")
    assert not trace.exists()


def called_name(node: ast.Call) -> str:
    """``torch.load(...)`` -> "torch.load"; the first name only where something else is called."""
    return ast.unparse(node.func)


def test_no_source_of_limner_unpickles_what_comes_from_outside() -> None:
    # Ray's pool hands its own objects from one of its processes to another; nobody else writes there.
    own_processes = {"limner/data/preparing/ray_pool.py"}
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                    for alias in node.names}  # fmt: skip
        assert not imported & {"modelscope", "dill", "joblib", "cloudpickle", "marshal", "shelve", "yaml"}, path
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name, given = called_name(call), {word.arg: ast.unparse(word.value) for word in call.keywords}
            if path.relative_to(SOURCE).as_posix() not in own_processes:
                assert name not in {"pickle.load", "pickle.loads", "pickle.Unpickler"}, path
            assert name != "torch.load" or given.get("weights_only") == "True", path
            assert name not in {"np.load", "numpy.load"} or given.get("allow_pickle", "False") == "False", path
            assert given.get("trust_remote_code", "False") == "False", path


def test_nothing_installs_a_model(port: int) -> None:
    """CVE-2024-12029: a route that took the address of a model and loaded it."""
    wish = json.dumps({"source": "http://127.0.0.1/model.ckpt", "url": "http://127.0.0.1/model.ckpt"}).encode()
    for target in ("/api/v2/models/install", "/v1/models", "/v1/models/install", "/v1/kinds"):
        assert send(port, json_request("POST", target, wish))[0] in (404, 405), target


# Path traversal


def test_no_name_in_a_path_can_be_a_path(desk: Desk) -> None:
    named = [one for _, _, told in operations(desk) for one in told.get("parameters", ()) if one["in"] == "path"]
    assert len(named) > 5
    for parameter in named:
        pattern = parameter["schema"]["pattern"]
        assert [escape for escape in [*ESCAPES, "..", "."] if re.search(pattern, escape)] == [], parameter


def test_names_of_files_and_keys_are_never_written(port: int, desk: Desk) -> None:
    names = "Content-Disposition: attachment; filename=../../../stolen.png", "X-File-Name: ../../../stolen.png"
    assert send(port, request("POST", "/v1/uploads", photo(), headers=names))[0] == 201
    body = json.dumps({"kind": "portrait", "prompt": "a", "adapter_scale": 0}).encode()
    keyed = request(
        "POST", "/v1/jobs", body, headers=("Content-Type: application/json", "Idempotency-Key: ../../../stolen")
    )
    assert send(port, keyed)[0] == 201
    around = desk.blobs.folder.parent
    assert list(around.rglob("*stolen*")) == []
    assert {path.name for path in around.iterdir()} - {BAIT} == {desk.blobs.folder.name}


# Server-side request forgery


def test_no_request_has_a_place_for_an_address(desk: Desk) -> None:
    described = json.dumps(create_app(desk).openapi()["components"]["schemas"])
    assert '"uri"' not in described
    assert re.findall(r'"(\w*(?:url|uri|path|file|href|webhook|callback)\w*)": \{', described, re.IGNORECASE) == []


def test_the_service_has_no_client() -> None:
    clients = {"urllib.request", "http.client", "httpx", "httpx2", "requests", "aiohttp", "urllib3", "huggingface_hub"}
    for path in (SOURCE / "limner" / "apps" / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not clients & set(names), path


# Open endpoints


def test_every_route_but_health_needs_a_key(tmp_path: Path) -> None:
    desk = open_desk(settings_in(tmp_path / "service"), needs_key=True)
    with listening(desk) as port, httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for method, path, _ in operations(desk):
            filled = re.sub(r"\{\w+\}", "0" * 32, path)
            status = client.request(method, filled).status_code
            assert (status == 401) != (path in NO_KEY_NEEDED), (method, path, status)
    desk.database.close()


def test_a_process_told_to_bind_to_all_addresses_without_a_key_ends(tmp_path: Path) -> None:
    port = free_port()
    program = [sys.executable, "-c", "from limner.apps.cli import main; main()", "serve", "--host", "0.0.0.0"]
    command = [*program, "--port", str(port), "--data", str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert ended.returncode == 2
    assert "there is no API key" in ended.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


# Decompression bombs


def test_bodies_that_unfold_are_not_unfolded(port: int, desk: Desk) -> None:
    import gzip

    nested = b"[" * 30_000 + b"]" * 30_000
    for body in (nested, b'{"kind":' + nested + b"}"):
        assert send(port, json_request("POST", "/v1/jobs", body))[0] in (400, 422)
    headers = ("Content-Encoding: gzip", "Content-Type: application/json")
    packed = gzip.compress(bytes(30_000_000))
    assert send(port, request("POST", "/v1/jobs", packed, headers=headers))[0] in (400, 422)
    assert upload(port, gzip.compress(photo()))[0] == 422
    assert stored(desk) == {}


# Supply chain

WATCHED = """
import importlib, pkgutil, sys
import limner.apps.service as service

seen = []
watched = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
sys.addaudithook(lambda event, _: seen.append(event) if event in watched else None)
for module in pkgutil.walk_packages(service.__path__, "limner.apps.service."):
    importlib.import_module(module.name)
import limner.apps.commands.serve, limner.apps.commands.keys
print(sorted(set(seen)))
"""


def test_importing_the_service_reaches_nothing_and_starts_nothing() -> None:
    told = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout.strip() == "[]"


def test_no_source_of_limner_installs_anything() -> None:
    words = re.compile(r"pip(3)? install|ensurepip|pip\._internal|importlib\.metadata\.install")
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called_name(node).startswith(("subprocess.", "os.system", "os.exec")):
                assert not words.search(ast.unparse(node)), path
