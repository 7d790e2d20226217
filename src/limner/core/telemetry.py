"""Libraries that report to their makers over the network are told not to, before they are loaded."""

import os

VARIABLES = {
    # ONNX Runtime, from 1.30 on: which networks run, under a number that it keeps for this computer.
    "ORT_DISABLE_TELEMETRY": "1",
    # Ray: what a cluster is made of and which libraries are used on it.
    "RAY_USAGE_STATS_ENABLED": "0",
}


def report_nothing() -> None:
    """Set these variables of the process, unless somebody has decided otherwise."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
