"""Signed manifests: what they say, that they break when the picture changes, that an older one stays inside."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from limner.core.errors import ConfigError, ImageError
from limner.core.images import encode_png, read_image
from limner.trust.keys import SigningKeys, anchors, signing_keys
from limner.trust.making import Making, Source
from limner.trust.provenance import mime_of, read_manifest, sign

PUBLIC = {"seed": 7, "guidance_scale": 2.5}
MAKING = Making(kind="created", model="miniature", adapter="fact", licences=("taef2",), parameters=PUBLIC)
COMPOSITE = Making(kind="composite", model="miniature")


def encoded(image: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_what_was_said_can_be_read(face: np.ndarray, kind: str) -> None:
    data = encoded(face, kind)
    mime = mime_of(data)
    assert mime is not None
    assert mime == f"image/{kind.lower()}"
    signed = sign(data, mime, MAKING, signing_keys(), watermark=("some.mark", 0xABCDE))
    manifest = read_manifest(signed, mime, anchors())
    assert manifest is not None
    assert (manifest.problems, manifest.trusted) == ((), True)
    assert manifest.making == MAKING
    assert manifest.source_type == "trainedAlgorithmicMedia"
    assert manifest.watermark == ("some.mark", "0abcde")
    assert manifest.issuer == "Limner"
    assert manifest.signer.startswith("a computer, number ")
    assert manifest.generator.startswith("Limner 0")
    assert (read_image(signed) == read_image(data)).all()


def test_a_picture_without_a_manifest_says_nothing(face: np.ndarray) -> None:
    assert read_manifest(encode_png(face), "image/png") is None


def test_whoever_is_not_known_here_is_not_trusted(face: np.ndarray) -> None:
    manifest = read_manifest(sign(encode_png(face), "image/png", MAKING, signing_keys()), "image/png")
    assert manifest is not None
    assert (manifest.trusted, manifest.problems) == (False, ())


def test_changed_pixels_and_changed_words_are_noticed(face: np.ndarray) -> None:
    signed = bytearray(sign(encode_png(face), "image/png", MAKING, signing_keys()))
    place = signed.rfind(b"IDAT") + 500
    signed[place] ^= 1
    manifest = read_manifest(bytes(signed), "image/png")
    assert manifest is not None
    assert manifest.problems == ("assertion.dataHash.mismatch",)
    signed[place] ^= 1
    words = signed.find(b"miniature")
    signed[words : words + 4] = b"Mini"
    manifest = read_manifest(bytes(signed), "image/png")
    assert manifest is not None
    assert "assertion.hashedURI.mismatch" in manifest.problems


def test_a_manifest_moved_to_another_picture_is_noticed(face: np.ndarray) -> None:
    signed = sign(encode_png(face), "image/png", MAKING, signing_keys())
    start = signed.find(b"caBX") - 4
    chunk = signed[start : start + 12 + int.from_bytes(signed[start : start + 4], "big")]
    other = encode_png(255 - face)
    forged = other[:33] + chunk + other[33:]
    manifest = read_manifest(forged, "image/png", anchors())
    assert manifest is not None
    assert "assertion.dataHash.mismatch" in manifest.problems


def test_a_template_and_its_own_manifest_stay_inside(face: np.ndarray) -> None:
    keys = signing_keys()
    template = sign(encoded(face, "JPEG"), "image/jpeg", MAKING, keys)
    source = Source(template, "image/jpeg", "scene.jpg")
    changed = sign(encode_png(255 - face), "image/png", COMPOSITE, keys, source=source)
    manifest = read_manifest(changed, "image/png", anchors())
    assert manifest is not None
    assert (manifest.problems, manifest.trusted) == ((), True)
    assert manifest.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert manifest.ancestors == ("scene.jpg",)
    assert b"trainedAlgorithmicMedia" in changed  # the template's own words
    assert encoded(face, "JPEG")[200:400] not in changed  # and not its pixels


def test_a_template_without_a_manifest_is_named(face: np.ndarray) -> None:
    source = Source(encoded(face, "JPEG"), "image/jpeg", "scene.jpg")
    manifest = read_manifest(
        sign(encode_png(face), "image/png", COMPOSITE, signing_keys(), source=source), "image/png", anchors()
    )
    assert manifest is not None
    assert (manifest.ancestors, manifest.problems) == (("scene.jpg",), ())


def test_a_broken_template_is_refused(face: np.ndarray) -> None:
    source = Source(b"no picture", "image/png", "scene.png")
    with pytest.raises(ImageError, match="scene"):
        sign(encode_png(face), "image/png", COMPOSITE, signing_keys(), source=source)


def test_a_configured_certificate_signs(
    face: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_data_folder: Path
) -> None:
    keys, root = company()
    signed = sign(encode_png(face), "image/png", MAKING, keys)
    stranger, known = read_manifest(signed, "image/png", anchors()), None
    (tmp_path / "root.pem").write_bytes(root)
    monkeypatch.setenv("LIMNER_TRUST_ANCHORS", str(tmp_path / "root.pem"))
    known = read_manifest(signed, "image/png", anchors())
    assert stranger is not None
    assert known is not None
    assert (stranger.signer, stranger.trusted, stranger.problems) == ("pictures.example", False, ())
    assert (known.trusted, known.problems) == (True, ())
    assert not (own_data_folder / "keys").exists()


def test_a_certificate_that_may_not_sign_is_refused(face: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="check certificate and key"):
        sign(encode_png(face), "image/png", MAKING, SigningKeys(b"none", b"none", "es256"))


def company() -> tuple[SigningKeys, bytes]:
    """A certificate of somebody with an authority of their own, on another kind of key."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("root.example", "root.example", root_key, root_key, ca=True)
    chain = _certificate("pictures.example", "root.example", key, root_key, ca=False)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SigningKeys(chain + root, secret, "es256"), root


def _certificate(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> bytes:
    def called(common: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
        )

    start = datetime.now(UTC) - timedelta(days=1)
    usage = x509.KeyUsage(not ca, False, False, False, False, ca, False, False, False)
    builder = x509.CertificateBuilder(called(issuer), called(name), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=30))
    builder = builder.add_extension(x509.BasicConstraints(ca, 0 if ca else None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if not ca:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
