"""The certificate and key that sign pictures: given by configuration, or a local pair made at first use.

The local pair proves that a picture comes from this computer unchanged, and nothing about who sits at it.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from limner.core.errors import ConfigError, InputError
from limner.trust.folder import private_folder

if TYPE_CHECKING:
    from cryptography.x509 import ExtensionType, KeyUsage, Name

CERTIFICATE_VARIABLE = "LIMNER_CERTIFICATE"
KEY_VARIABLE = "LIMNER_PRIVATE_KEY"
ANCHORS_VARIABLE = "LIMNER_TRUST_ANCHORS"
CERTIFICATE, PRIVATE_KEY = "certificate.pem", "private-key.pem"
VALID_FOR = timedelta(days=3650)


@dataclass(frozen=True)
class SigningKeys:
    """What signs.

    Attributes:
        chain: certificates in PEM, the signer's first.
        private_key: PKCS 8 in PEM, not encrypted.
        algorithm: as C2PA names it: ed25519, es256, es384, es512 or ps256.
    """

    chain: bytes
    private_key: bytes
    algorithm: str

    def __repr__(self) -> str:
        return f"SigningKeys({self.algorithm})"  # never the key


def signing_keys() -> SigningKeys:
    """The configured certificate, else the local pair, which is made if there is none.

    Raises:
        ConfigError: only one of certificate and key is configured, a file is broken, or the key lies open to others.
        InputError: the local pair cannot be written.
    """
    certificate, key = os.environ.get(CERTIFICATE_VARIABLE), os.environ.get(KEY_VARIABLE)
    if not certificate and not key:
        return _read(_local_pair())
    if not certificate or not key:
        given, missing = (CERTIFICATE_VARIABLE, KEY_VARIABLE) if certificate else (KEY_VARIABLE, CERTIFICATE_VARIABLE)
        raise ConfigError(f"{given} is set and {missing} is not; name both files, or neither for a local pair")
    return _read((Path(certificate), Path(key)))


def anchors() -> str:
    """Certificates whose pictures count as trusted, PEM: this computer's own, and those the user names; may be ''."""
    own = private_folder() / "keys" / CERTIFICATE
    files = [own] if own.exists() else []
    files += [Path(name) for name in os.environ.get(ANCHORS_VARIABLE, "").split(os.pathsep) if name]
    try:
        return "".join(file.read_text(encoding="ascii") for file in files)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{ANCHORS_VARIABLE} names a file that is no PEM certificate ({error})") from error


def _local_pair() -> tuple[Path, Path]:
    """Paths of the local pair; of several processes that come first together, one makes it and all use it."""
    folder = private_folder() / "keys"
    if not folder.exists():
        fresh = folder.with_name(f".keys.{secrets.token_hex(4)}.part")
        try:
            fresh.mkdir(mode=0o700)
            _write_pair(fresh)
            fresh.rename(folder)
        except OSError as error:
            for file in fresh.glob("*.pem"):
                file.unlink()
            fresh.rmdir()
            if not folder.exists():
                raise InputError(f"cannot write signing keys to {folder} ({error.strerror})") from error
    return folder / CERTIFICATE, folder / PRIVATE_KEY


def _read(files: tuple[Path, Path]) -> SigningKeys:
    certificate, key = files
    try:
        if os.name == "posix" and key.stat().st_mode & 0o077:
            raise ConfigError(f"{key} can be read by other users; close it with: chmod 600 {key}")
        chain, private_key = certificate.read_bytes(), key.read_bytes()
    except OSError as error:
        raise ConfigError(f"the signing keys cannot be read: {error.filename}: {error.strerror}") from error
    return SigningKeys(chain, private_key, _algorithm(private_key, key))


def _algorithm(private_key: bytes, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no private key in PEM without a password ({error})") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[key.curve.key_size]
    raise ConfigError(f"{path} holds a {type(key).__name__}; C2PA signs with Ed25519, RSA or a P-256, -384, -521 key")


def _write_pair(folder: Path) -> None:
    """A root that signs once and is thrown away, and the signer below it: C2PA wants two certificates."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    root_key, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    number = secrets.token_hex(4)
    root_name, name = _name(f"local root {number}"), _name(f"a computer, number {number}")
    start = datetime.now(UTC) - timedelta(days=1)

    def certificate(subject: "Name", of: Ed25519PrivateKey, *extensions: tuple["ExtensionType", bool]) -> bytes:
        builder = x509.CertificateBuilder(root_name, subject, of.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + VALID_FOR)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(root_key, None).public_bytes(Encoding.PEM)

    signer = certificate(
        name,
        key,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
    )
    root = certificate(
        root_name,
        root_key,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage("key_cert_sign"), True),
    )
    (folder / CERTIFICATE).write_bytes(signer + root)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with open(os.open(folder / PRIVATE_KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)


def _name(common: str) -> "Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = ((NameOID.ORGANIZATION_NAME, "Limner"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in names])


def _usage(allowed: str) -> "KeyUsage":
    from cryptography import x509

    usages = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{usage: usage == allowed for usage in usages})
