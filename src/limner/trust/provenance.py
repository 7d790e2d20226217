"""Signed manifests after the C2PA specification 2.x: writing one into a file, reading one from a file."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from typing import Any

from limner.core.errors import ConfigError, ImageError
from limner.trust.keys import SigningKeys
from limner.trust.making import Making, Source

SOURCE_TYPES = {
    "created": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "composite": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
}
MAKING_LABEL = "app.limner.making"
BINDING_LABEL = "c2pa.soft-binding"
UNKNOWN_SIGNER = "signingCredential.untrusted"
"""A failure of trust only: the file is as its signer left it, and nobody here vouches for the signer."""
SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
}
"""No small copy of a picture inside the file, and never the network."""


_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"GIF8": "image/gif",
}


@dataclass(frozen=True)
class Manifest:
    """What a file says about itself.

    Attributes:
        signer: name in the certificate.
        issuer: who vouches for the name.
        trusted: whether a certificate that is known here vouches for the signer.
        problems: why the manifest and the file do not belong together, in C2PA's codes; empty if all is intact.
        source_type: last word of IPTC's digital source type, e.g. "trainedAlgorithmicMedia"; "" if not stated.
        generator: the program.
        making: what Limner wrote about the picture, None for other programs' manifests.
        watermark: name and value of the watermark the manifest promises, None without one.
        ancestors: titles of the pictures it was made from.
    """

    signer: str
    issuer: str
    trusted: bool
    problems: tuple[str, ...]
    source_type: str
    generator: str
    making: Making | None
    watermark: tuple[str, str] | None
    ancestors: tuple[str, ...]


def sign(
    data: bytes,
    mime: str,
    making: Making,
    keys: SigningKeys,
    *,
    watermark: tuple[str, int] | None = None,
    source: Source | None = None,
) -> bytes:
    """The file with a signed manifest; its pixels are the same.

    Args:
        data: a PNG, JPEG or WebP file.
        mime: its type.
        making: what to say about it.
        keys: what to sign with.
        watermark: name and number of the watermark in the pixels.
        source: the picture it was made from; its own manifest is kept.

    Raises:
        ConfigError: the certificate cannot sign manifests.
        ImageError: the source's file is broken.
    """
    import c2pa

    info = c2pa.C2paSignerInfo(keys.algorithm.encode(), keys.chain, keys.private_key, None)
    signed = BytesIO()
    try:
        with c2pa.Context.from_dict(SETTINGS) as context, c2pa.Signer.from_info(info) as signer:
            builder = c2pa.Builder.from_json(json.dumps(_definition(making, watermark, source)), context)
            if source is not None:
                _add_source(builder, source)
            builder.sign(signer, mime, BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise ConfigError(f"the picture cannot be signed ({error}); check certificate and key") from error
    return signed.getvalue()


def read_manifest(data: bytes, mime: str, anchors: str = "") -> Manifest | None:
    """The manifest in a file, None if there is none.

    Args:
        data: the file.
        mime: its type.
        anchors: certificates that vouch for signers, PEM.

    Raises:
        ImageError: there is a manifest that cannot be read at all.
    """
    import c2pa

    settings = {**SETTINGS, "trust": {"user_anchors": anchors}} if anchors else SETTINGS
    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(mime, BytesIO(data), context=context) as reader,
        ):
            return _manifest(json.loads(reader.json()))
    except (c2pa.C2paError, KeyError, ValueError) as error:
        if isinstance(error, getattr(c2pa.C2paError, "ManifestNotFound")):  # noqa: B009 - set after the class is made
            return None
        raise ImageError(f"its manifest cannot be read ({error})") from error


def _definition(making: Making, watermark: tuple[str, int] | None, source: Source | None) -> dict[str, Any]:
    agent = {"name": "Limner", "version": version("limner")}
    made: dict[str, Any] = {"softwareAgent": agent, "digitalSourceType": SOURCE_TYPES[making.kind]}
    actions: list[dict[str, Any]] = [{"action": "c2pa.created", **made}]
    if source is not None:
        actions = [
            {"action": "c2pa.opened", "parameters": {"ingredientIds": ["source"]}},
            {"action": "c2pa.edited", **made},
        ]
    assertions: list[dict[str, Any]] = [{"label": MAKING_LABEL, "data": making.model_dump(mode="json")}]
    if watermark is not None:
        name, number = watermark
        actions.append({"action": "c2pa.watermarked", "softwareAgent": agent})
        block = {"scope": {}, "value": f"{number:06x}"}
        assertions.append({"label": BINDING_LABEL, "data": {"alg": name, "blocks": [block]}})
    assertions.insert(0, {"label": "c2pa.actions.v2", "data": {"actions": actions}})
    return {"claim_generator_info": [agent], "title": "picture", "assertions": assertions}


def _add_source(builder: Any, source: Source) -> None:
    import c2pa

    about = {"title": source.title, "relationship": "parentOf", "label": "source"}
    try:
        builder.add_ingredient(json.dumps(about), source.mime, BytesIO(source.data))
    except c2pa.C2paError as error:
        raise ImageError(f"{source.title} cannot be named as the source of a picture ({error})") from error


def _manifest(report: dict[str, Any]) -> Manifest:
    active = report["manifests"][report["active_manifest"]]
    failures = [failure["code"] for failure in report.get("validation_status", ())]
    signature = active.get("signature_info", {})
    assertions = {assertion["label"]: assertion["data"] for assertion in active.get("assertions", ())}
    generator = active.get("claim_generator_info", [{}])[0]
    return Manifest(
        signer=signature.get("common_name", ""),
        issuer=signature.get("issuer", ""),
        trusted=report.get("validation_state") == "Trusted",
        problems=tuple(code for code in failures if code != UNKNOWN_SIGNER),
        source_type=_source_type(assertions),
        generator=" ".join(filter(None, (generator.get("name"), generator.get("version")))),
        making=_making(assertions),
        watermark=_watermark(assertions),
        ancestors=tuple(one.get("title", "a picture") for one in active.get("ingredients", ())),
    )


def _source_type(assertions: dict[str, Any]) -> str:
    actions = next((data for label, data in assertions.items() if label.startswith("c2pa.actions")), {})
    types = [action["digitalSourceType"] for action in actions.get("actions", ()) if "digitalSourceType" in action]
    return types[-1].rsplit("/", 1)[-1] if types else ""


def _making(assertions: dict[str, Any]) -> Making | None:
    told = assertions.get(MAKING_LABEL)
    return None if told is None else Making.model_validate(told)


def _watermark(assertions: dict[str, Any]) -> tuple[str, str] | None:
    told = assertions.get(BINDING_LABEL)
    return None if told is None else (str(told["alg"]), str(told["blocks"][0]["value"]))


def mime_of(data: bytes) -> str | None:
    """The type of a picture's file by its first bytes, None if it is of no type that carries manifests."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for start, mime in _STARTS.items() if data.startswith(start)), None)
