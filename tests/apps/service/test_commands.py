"""``limner keys`` and ``limner serve`` on the command line."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from limner.apps import cli
from limner.apps.commands.serve import service_settings
from limner.apps.service import extra, serving
from limner.apps.service.settings import Limits, Retention, ServiceSettings, Times
from limner.core.errors import ConfigError, LimnerError, MissingExtraError
from tests.apps.service.fakes import settings_in


def run(*words: str) -> str:
    result = CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return result.output


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    text = run("keys", "create", "alice", "--scope", "read", *data).strip()
    assert re.fullmatch(r"limner_[0-9a-f]{16}_[\w-]{43}", text)
    key_id = text.split("_")[1]
    [row] = [line for line in run("keys", "list", *data).splitlines() if key_id in line]
    assert row.split()[:3] == [key_id, "alice", "read"]
    assert text.split("_", 2)[2] not in row
    assert row.split()[-1] == "-"
    run("keys", "revoke", key_id, *data)
    [row] = [line for line in run("keys", "list", *data).splitlines() if key_id in line]
    assert row.split()[-1] != "-"
    with pytest.raises(LimnerError, match="there is no key 'local'"):
        run("keys", "revoke", "local", *data)
    with pytest.raises(ConfigError, match="there is no scope 'all'; there are read, draw, people, metrics"):
        run("keys", "create", "bob", "--scope", "all", *data)
    run("keys", "create", "bob", *data)
    assert "draw people read" in run("keys", "list", *data)


def test_a_public_bind_without_a_key_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.Supervisor, "start", lambda _: pytest.fail("it was started"))
    with pytest.raises(ConfigError, match="no API key"):
        run("serve", "--host", "0.0.0.0", "--data", str(tmp_path))


def test_settings_come_from_the_file_and_options_go_first(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    settings_in(tmp_path / "a", max_attempts=7).write(file)
    assert service_settings(file, None, None).max_attempts == 7
    changed = service_settings(file, tmp_path / "b", "sqlite:///x.db", "some/folder")
    assert (changed.data, changed.database_url) == (tmp_path / "b", "sqlite:///x.db")
    assert changed.models["custom"].model == "some/folder"
    file.write_text("[limits]\nqueu = 3\n")
    with pytest.raises(ConfigError, match="queu"):
        service_settings(file, None, None)
    file.write_text('[models."../x"]\nmodel = "y"\n')
    with pytest.raises(ConfigError, match="models"):
        service_settings(file, None, None)


def test_the_settings_on_the_page_are_the_defaults() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "service.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert ServiceSettings.model_validate(tomllib.loads(block)) == ServiceSettings()
    for part in (Limits, Times, Retention):
        assert [name for name in part.model_fields if f"\n{name} = " not in block] == []


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "NEEDED", ("no_such_package",))
    with pytest.raises(MissingExtraError, match=r"no_such_package.*pip install 'limner\[service\]'"):
        service_settings(None, None, None)


def test_a_service_whose_model_is_missing_says_so_and_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = service_settings(None, tmp_path / "data", None, str(tmp_path / "nothing"))
    with pytest.raises(serving.Refused, match="the workers could not start"):
        serving.serve(settings, host="127.0.0.1", port=_free_port(), workers=1)
    assert "there is no model" in capfd.readouterr().err


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
