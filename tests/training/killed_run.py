"""A program that trains in child processes and kills each at a random moment, until one comes to the end.

    python -m tests.training.killed_run FOLDER SEED

Prints how many children were killed after their first step, and before the last.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from limner.systems.contract import Batch, LossTerms
from limner.training.loop import LoopSettings, Run
from tests.training.tasks import Task, exchange, small_module

SETTINGS = LoopSettings(
    steps=120, learning_rate=0.02, warmup_steps=5, decay_steps=30, seed=11, log_every=5, save_every=7, trackers=()
)
STEP_SECONDS = 0.004


def train(folder: Path, *, slow: bool) -> None:
    module = small_module()
    plain = exchange(module)

    def loss(batch: Batch, step: int) -> LossTerms:
        if slow:
            time.sleep(STEP_SECONDS)
        return plain(batch, step)

    torch.set_num_threads(1)
    Run(folder, Task(module, loss), SETTINGS).train()


def main() -> None:
    folder, rng = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    killed = 0
    while True:
        child = os.fork()
        if child == 0:
            train(folder, slow=True)
            os._exit(0)
        time.sleep(rng.uniform(0.02, 0.35))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            print(killed)
            return
        killed += (folder / "log.csv").exists()


if __name__ == "__main__":
    main()
