"""How the packaged TFLite networks are run: one interpreter, one thread at a time."""

import threading
from pathlib import Path

import numpy as np

from limner.core.errors import CheckpointError


class TfliteNetwork:
    """One TFLite file with a single picture as input.

    The interpreter keeps its tensors between calls, so a lock lets one thread in at a time.

    Raises:
        CheckpointError: the file is not a TFLite network.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
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
