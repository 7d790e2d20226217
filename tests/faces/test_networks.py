import os
import threading

import numpy as np
import pytest

from limner.core.assets import asset_path
from limner.core.errors import CheckpointError
from limner.faces.networks import TfliteNetwork


@pytest.fixture(scope="module")
def network() -> TfliteNetwork:
    return TfliteNetwork(asset_path("facemesh/face_landmark.tflite"))


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"not a network")
    with pytest.raises(CheckpointError, match=r"broken\.tflite was given"):
        TfliteNetwork(path)


def test_reading_a_network_says_nothing_and_leaves_the_standard_error_open(capfd):
    TfliteNetwork(asset_path("facemesh/face_landmark.tflite"))
    assert capfd.readouterr().err == ""
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_threads_do_not_mix_their_pictures(network):
    pictures = [np.full((192, 192, 3), value, np.float32) for value in (0.0, 0.3, 0.6, 0.9)]
    alone = [network(picture)[0] for picture in pictures]
    wrong = []

    def work(index: int) -> None:
        for _ in range(10):
            if not np.array_equal(network(pictures[index])[0], alone[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
