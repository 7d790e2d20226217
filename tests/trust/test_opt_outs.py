from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import CheckpointError, ConfigError, RefusedError
from limner.trust.audit import audit_path, read_log
from limner.trust.opt_outs import opt_out, opted_out, refuse_opted_out

ANA = {"space": np.array([1.0, 0.0], np.float32)}
BEN = {"space": np.array([0.0, 1.0], np.float32)}
THRESHOLDS = {"space": 0.35}


def test_nobody_is_on_the_list_at_first() -> None:
    assert opted_out() == {}
    refuse_opted_out(ANA, THRESHOLDS)
    refuse_opted_out({}, THRESHOLDS)


def test_people_on_the_list_are_refused_and_others_pass() -> None:
    assert opt_out(ANA) == 1
    assert opt_out({"space": np.array([-1.0, 0.0], np.float32)}) == 2
    for vector in ([1.0, 0.0], [0.36, 0.933], [-0.36, 0.933]):
        with pytest.raises(RefusedError, match="opted out"):
            refuse_opted_out({"space": np.array(vector, np.float32)}, THRESHOLDS)
    refuse_opted_out(BEN, THRESHOLDS)
    refuse_opted_out({"space": np.array([0.34, 0.94], np.float32)}, THRESHOLDS)


def test_who_cannot_be_compared_is_refused() -> None:
    opt_out(ANA)
    with pytest.raises(RefusedError, match="opted out in space, and this identity has other"):
        refuse_opted_out({"other": ANA["space"]}, THRESHOLDS)


def test_what_is_no_embedding_is_not_taken() -> None:
    with pytest.raises(ConfigError, match="length 1"):
        opt_out({"space": np.ones(2, np.float32)})
    with pytest.raises(ConfigError, match="length 1"):
        opt_out({"space": np.eye(2, dtype=np.float32)})


def test_a_broken_list_stops_everything(own_data_folder: Path) -> None:
    opt_out(ANA)
    (own_data_folder / "opt-outs.npz").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=r"opt-outs\.npz"):
        refuse_opted_out(BEN, THRESHOLDS)


def test_the_log_holds_a_count_and_no_embedding() -> None:
    opt_out(ANA)
    assert read_log()[0]["people"] == 1
    assert "1.0" not in audit_path().read_text()
