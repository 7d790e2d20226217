"""A program that trains in child processes and kills each at a random moment, until one comes to the end.

    python -m tests.training.killed_run FOLDER SEED

Prints how many children were killed between their first step and their end.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from limner.systems.contract import Batch, LossTerms
from limner.training.loop import LoopSettings, Run
from tests.training.tasks import Task, exchange, small_module

SETTINGS = LoopSettings(
    steps=120, learning_rate=0.02, warmup_steps=5, decay_steps=30, seed=11, log_every=5, save_every=7, trackers=()
)
STEP_SECONDS = 0.004


def train(folder: Path, *, before_step: Callable[[], None] = lambda: None) -> None:
    module = small_module()
    plain = exchange(module)

    def loss(batch: Batch, step: int) -> LossTerms:
        before_step()
        return plain(batch, step)

    torch.set_num_threads(1)
    Run(folder, Task(module, loss), SETTINGS).train()


def tell_and_wait(pipe: int) -> None:
    os.write(pipe, b".")
    time.sleep(STEP_SECONDS)


def main() -> None:
    folder, rng = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    with tempfile.TemporaryDirectory() as elsewhere:
        train(Path(elsewhere))  # children inherit what this imports
    killed = 0
    while True:
        begun, tell = os.pipe()
        child = os.fork()
        if child == 0:
            train(folder, before_step=partial(tell_and_wait, tell))
            os._exit(0)
        os.close(tell)
        os.read(begun, 1)  # returns with the first step, or with the end
        time.sleep(rng.uniform(0.0, 0.4))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(begun)
        if os.WIFEXITED(status):
            print(killed)
            return
        killed += 1


if __name__ == "__main__":
    main()
