import multiprocessing
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from limner.core.errors import ConfigError, InputError
from limner.trust.keys import CERTIFICATE_VARIABLE, KEY_VARIABLE, anchors, signing_keys


def test_the_local_pair_is_made_once_and_closed_to_others(own_data_folder: Path) -> None:
    first = signing_keys()
    assert first.algorithm == "ed25519"
    assert stat.S_IMODE((own_data_folder / "keys" / "private-key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((own_data_folder / "keys").stat().st_mode) == 0o700
    assert signing_keys() == first
    assert first.chain.count(b"BEGIN CERTIFICATE") == 2
    assert anchors() == first.chain.decode()
    assert "PRIVATE" not in repr(first)


def _make(_: int) -> bytes:
    return signing_keys().private_key


def test_processes_that_come_first_together_use_one_pair() -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(_make, range(8)))) == 1


def test_an_open_key_is_refused(own_data_folder: Path) -> None:
    signing_keys()
    (own_data_folder / "keys" / "private-key.pem").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        signing_keys()


@pytest.mark.parametrize("given", [CERTIFICATE_VARIABLE, KEY_VARIABLE])
def test_half_a_configuration_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(given, "somewhere.pem")
    with pytest.raises(ConfigError, match=f"{given} is set and .* is not"):
        signing_keys()


def _configured(folder: Path, key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, variable, content in (("c.pem", CERTIFICATE_VARIABLE, b"chain"), ("k.pem", KEY_VARIABLE, key)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
        monkeypatch.setenv(variable, str(folder / name))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_a_configured_key_says_its_algorithm(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    algorithm: str,
    tmp_path: Path,
    own_data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _configured(tmp_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), monkeypatch)
    assert signing_keys().algorithm == algorithm
    assert signing_keys().chain == b"chain"
    assert not (own_data_folder / "keys").exists()


def test_keys_that_cannot_sign_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _configured(tmp_path, b"no key", monkeypatch)
    with pytest.raises(ConfigError, match=r"k\.pem is no private key in PEM"):
        signing_keys()
    other = dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _configured(tmp_path, other, monkeypatch)
    with pytest.raises(ConfigError, match="C2PA signs with"):
        signing_keys()
    (tmp_path / "k.pem").unlink()
    with pytest.raises(ConfigError, match=r"k\.pem: No such file"):
        signing_keys()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIMNER_DATA_FOLDER", str(tmp_path / "file" / "below"))
    with pytest.raises(InputError, match="LIMNER_DATA_FOLDER"):
        signing_keys()
