"""What was found in a picture, in words: for the command line and for the page."""

from limner.trust.checking import Verdict

SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "drawn by a model",
    "compositeWithTrainedAlgorithmicMedia": "pictures joined or changed by a model",
    "digitalCapture": "taken with a camera",
}


def verdict_lines(verdict: Verdict) -> list[tuple[str, str]]:
    """Names and what is to be said about them, in the order to be read."""
    lines: list[tuple[str, str]] = []
    if (manifest := verdict.manifest) is not None:
        kind = SOURCE_TYPES.get(manifest.source_type, manifest.source_type or "not stated")
        lines.append(("what", f"{kind}; written by {manifest.generator or 'an unnamed program'}"))
        signer = f"{manifest.signer or 'nobody'} ({manifest.issuer or 'no issuer'})"
        vouched = "whom this computer trusts" if manifest.trusted else "whom nobody here vouches for"
        lines.append(("signed by", f"{signer}, {vouched}"))
        lines.append(("intact", "no" if manifest.problems else "yes, since it was signed"))
        if manifest.ancestors:
            lines.append(("made from", ", ".join(manifest.ancestors)))
        if (making := manifest.making) is not None:
            lines.append(("model", making.model if making.adapter is None else f"{making.model} with {making.adapter}"))
            lines.append(("settings", ", ".join(f"{name} {value}" for name, value in making.parameters.items()) or "-"))
            lines.append(("terms", ", ".join(making.licences) or "-"))
    else:
        lines.append(("manifest", "none"))
    if verdict.watermark is None:
        lines.append(("watermark", "none found"))
    else:
        mark = verdict.watermark
        lines.append(
            ("watermark", f"{mark.number} ({mark.name}); by chance in one of {1 / mark.false_alarm:,.0f} pictures")
        )
    return lines
