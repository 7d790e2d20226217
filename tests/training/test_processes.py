"""Two processes over gloo see and compute together what one computes alone with the doubled batch."""

from pathlib import Path

import pytest
import torch

from limner.training.log import read_log
from tests.training.processes import run_together
from tests.training.shared_run import main


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    run_together("tests.training.shared_run", str(tmp_path / "two"), num_processes=2)
    main(tmp_path / "one")
    for name in ("fact", "small"):
        alone, shared = (
            torch.load(tmp_path / folder / name / "state.pt", weights_only=True) for folder in ("one", "two")
        )
        # After the first step of a run the first moment is the gradient, times a tenth.
        for number, state in alone["optimizer"]["state"].items():
            found = shared["optimizer"]["state"][number]["exp_avg"]
            size = float(state["exp_avg"].abs().max())
            torch.testing.assert_close(found, state["exp_avg"], atol=2e-5 * max(size, 1e-3), rtol=2e-4)
        for key, value in alone["module"].items():
            torch.testing.assert_close(shared["module"][key], value, atol=2e-3 if name == "fact" else 2e-4, rtol=0)
        rows, others = (read_log(tmp_path / folder / name / "log.csv") for folder in ("one", "two"))
        for row, other in zip(rows, others, strict=True):
            assert {k: v for k, v in row.items() if k != "seconds"} == pytest.approx(
                {k: v for k, v in other.items() if k != "seconds"}, rel=1e-3, abs=1e-5
            )
