"""How the packaged TFLite networks are run: one interpreter, one thread at a time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from limner.core.errors import CheckpointError

_STDERR = threading.Lock()  # the standard error belongs to the process, so one thread at a time may exchange it


class TfliteNetwork:
    """One TFLite file with a single picture as input.

    The interpreter keeps its tensors between calls, so a lock lets one thread in at a time.

    Raises:
        CheckpointError: the file is not a TFLite network.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _quiet():
                self._interpreter = Interpreter(str(path))
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} was given as a TFLite network and cannot be read ({error}). Install Limner again."
            ) from error
        details = self._interpreter.get_input_details()[0]
        self._input_index = details["index"]
        self._output_indices = [entry["index"] for entry in self._interpreter.get_output_details()]
        self._lock = threading.Lock()
        self.input_pixels = int(details["shape"][1])

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The outputs for one picture, float32 (input_pixels, input_pixels, 3) in the range the network expects."""
        with self._lock:
            self._interpreter.set_tensor(self._input_index, image[None])
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._output_indices]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what C++ writes to the standard error: LiteRT announces its CPU delegate there and has no switch for it."""
    with _STDERR:
        kept = os.dup(2)
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(sink)
            os.close(kept)
