"""The container files, read as a careful reader would: no engine builds them here, so what can be checked is."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from limner.apps.service.settings import ServiceSettings
from limner.core.errors import ConfigError
from tests.apps.service.test_kill import free_port
from tests.docs.test_commands import problem_with

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("service", "worker")
INSTRUCTIONS = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL",
                "CMD"}  # fmt: skip
"""Those that are used; ADD, which fetches and unpacks, is not among them."""


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], " ".join(line.split()[1:])) for line in joined.splitlines()]


def told(name: str) -> list[str]:
    return [words for instruction, words in instructions() if instruction == name]


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for words in told("ENV") for word in shlex.split(words))


# The image


def test_every_line_is_an_instruction() -> None:
    assert {name for name, _ in instructions()} <= INSTRUCTIONS
    assert [words for words in told("CMD") if not words.startswith('["')] == []  # a shell would swallow SIGTERM


def test_nothing_names_a_host_and_no_tag_moves_on_its_own() -> None:
    images = [words.split()[0] for words in told("FROM")] + [SERVICES["postgres"]["image"]]
    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]*", image) for image in images)
    for text in (DOCKERFILE, (ROOT / "compose.yaml").read_text(encoding="utf-8")):
        assert re.findall(r"https?://(?!127\.0\.0\.1)[\w.-]+", text) == []


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith(("!", "*"))}
    copied = [word for words in told("COPY") if "--from" not in words for word in words.split()[:-1]]
    assert set(copied) >= {"pyproject.toml", "src"}
    assert [name for name in copied if not (ROOT / name).exists() or name in ignored] == []
    assert {"secrets", "tests"} <= ignored


def test_packages_are_pinned_and_leave_no_cache() -> None:
    installs = [part.strip() for words in told("RUN") for part in words.split("&&") if "pip install" in part]
    assert len(installs) == 3
    assert all("-c constraints.txt" in one or ("--no-deps" in one and "==" in one) for one in installs)
    assert environment()["PIP_NO_CACHE_DIR"] == "1"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for pinned in re.findall(r"[\w-]+==[\d.]+", " ".join(installs)):
        assert pinned in makefile or pinned in (ROOT / "constraints.txt").read_text()


def test_it_runs_as_a_number_that_is_not_root_and_holds_no_secret() -> None:
    [user] = told("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    names = [name for name, _ in instructions()]
    last_install = max(place for place, (name, _) in enumerate(instructions()) if name == "RUN")
    assert names.index("USER") > last_install
    assert [name for name in environment() if re.search("PASSWORD|SECRET|TOKEN|KEY", name)] == []


def test_everything_it_writes_lies_in_the_volume_or_in_the_temporary_folder() -> None:
    written = environment()
    assert told("VOLUME") == ["/data"]
    assert written["LIMNER_DATA"] == "/data"
    assert written["LIMNER_DATA_FOLDER"].startswith("/data/")
    assert written["HOME"] == "/tmp"


def test_it_says_how_it_does() -> None:
    [check] = told("HEALTHCHECK")
    assert "/health" in check
    assert "--timeout" in check


# The services


def test_compose_uses_what_it_declares_and_declares_what_it_uses() -> None:
    for kind in ("configs", "secrets", "networks", "volumes"):
        used: set[str] = set()
        for service in SERVICES.values():
            for one in service.get(kind, ()):
                used.add(one["source"] if isinstance(one, dict) else one.split(":")[0])
        assert used == set(COMPOSE[kind]), kind


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == "/tmp"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["volumes"] == ["data:/data"]
    assert problem_with(service["command"]) is None


def test_only_this_machine_reaches_it_and_the_rest_reaches_nothing() -> None:
    assert [port for port in SERVICES["service"]["ports"] if not port.startswith("127.0.0.1:")] == []
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["service"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if service["networks"] != ["inside"]] == ["service"]


def test_they_start_when_what_they_need_is_healthy() -> None:
    for name in OURS:
        assert SERVICES[name]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "pg_isready" in SERVICES["postgres"]["healthcheck"]["test"]
    assert "healthcheck" not in SERVICES["service"]  # the image's own


def test_a_worker_may_finish_before_it_is_killed() -> None:
    times = ServiceSettings().times
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) >= times.stop + times.lease


def test_passwords_come_from_files() -> None:
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            assert "PASSWORD" not in name or name.endswith("_FILE"), name
            assert "${" not in value
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database_password"
    assert COMPOSE["secrets"]["database_password"]["file"].split("/")[0] + "/" in (ROOT / ".gitignore").read_text()


def test_the_settings_fit_the_services() -> None:
    [config] = SERVICES["service"]["configs"]
    assert SERVICES["service"]["environment"]["LIMNER_CONFIG"] == config["target"]
    settings = ServiceSettings.read(ROOT / COMPOSE["configs"]["service"]["file"])
    postgres = SERVICES["postgres"]["environment"]
    assert settings.database == f"postgresql://{postgres['POSTGRES_USER']}@postgres/{postgres['POSTGRES_DB']}"
    assert str(settings.database_password_file) == postgres["POSTGRES_PASSWORD_FILE"]
    assert str(settings.data) == environment()["LIMNER_DATA"]


def test_the_password_joins_the_address_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b@c:d \n")
    given: dict[str, Any] = {"database_password_file": tmp_path / "password"}
    settings = ServiceSettings(database="postgresql://limner@postgres/limner", **given)
    assert settings.database_url == "postgresql://limner:a%2Fb%40c%3Ad@postgres/limner"
    assert "a/b" not in settings.model_dump_json()
    for wrong in (None, "postgresql://postgres/limner", "postgresql://limner:x@postgres/limner"):
        with pytest.raises(ConfigError, match="USER@HOST/NAME"):
            _ = ServiceSettings(database=wrong, **given).database_url
    given["database_password_file"] = tmp_path / "none"
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = ServiceSettings(database="postgresql://limner@postgres/limner", **given).database_url


# The same commands on a file system that nothing may be written to

SHUT_IN = """
set -e
mount --make-rprivate /
mount --bind "$MODEL" /srv
mount -t tmpfs tmpfs /mnt
mkdir /mnt/data
mount -t tmpfs tmpfs /tmp
mount -o remount,bind,ro /
if touch /opt/written 2>/dev/null; then echo "the file system can be written to" >&2; exit 1; fi
cd /mnt/data
exec setpriv --no-new-privs --bounding-set -all --inh-caps -all bash -euc "$SCRIPT"
"""
SCRIPT = """
printf '#!/bin/sh\\nexec %s -c "from limner.apps.cli import main; main()" "$@"\\n' "$PYTHON" > /tmp/limner
chmod +x /tmp/limner
PATH=/tmp:$PATH
limner keys create my-team > /tmp/key.txt
limner serve --port $PORT --model /srv & SERVER=$!
until limner doctor --url http://127.0.0.1:$PORT > /tmp/found.txt; do
  kill -0 $SERVER || exit 1
  sleep 1
done
limner doctor --url http://127.0.0.1:$PORT --key-file /tmp/key.txt --job
kill $SERVER
wait $SERVER || true
find /mnt/data -type f | sort
"""


@pytest.mark.slow
def test_the_service_runs_where_only_its_folder_can_be_written(miniature_folder: Path) -> None:
    if os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("needs root, unshare and setpriv")
    inside = {name: value.replace("/data", "/mnt/data") for name, value in environment().items() if name != "PATH"}
    given = {"PYTHON": sys.executable, "PORT": str(free_port()), "MODEL": str(miniature_folder), "SCRIPT": SCRIPT}
    paths = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "OMP_NUM_THREADS": "1"}
    command = ["unshare", "--mount", "bash", "-c", SHUT_IN]
    env = {**inside, **given, **paths}
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, cwd="/")
    assert run.returncode == 0, run.stderr + run.stdout
    assert re.search(r"^ok +marks +a picture was drawn, signed by", run.stdout, re.MULTILINE)
    assert "/mnt/data/trust/" in run.stdout
    assert "/mnt/data/limner.sqlite3" in run.stdout
