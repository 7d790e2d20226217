"""Fixtures that every room's tests may use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with goldens, photos and data sets; absent on a user's machine."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("needs ../shared")
    return SHARED


@pytest.fixture(scope="session")
def features_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the evaluation's feature network, random ones."""
    import torch

    from limner.evaluation.feature_network import EfficientNetLite0

    path = tmp_path_factory.mktemp("features") / "network.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(EfficientNetLite0().state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys, log and opt-outs of a test lie apart from the user's own and from those of other tests."""
    for name in ("LIMNER_CERTIFICATE", "LIMNER_PRIVATE_KEY", "LIMNER_TRUST_ANCHORS", "LIMNER_TRUST_SETTINGS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("limner-data", numbered=True) / "limner"
    monkeypatch.setenv("LIMNER_DATA_FOLDER", str(folder))
    return folder
