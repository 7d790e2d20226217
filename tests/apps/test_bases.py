"""Where an opened base lies."""

from typing import Any

import pytest
import torch

from limner.apps.bases import placed
from tests.contracts.pipelines import PIPELINES


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_channels_lie_last_on_a_gpu_only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline: Any = PIPELINES[0].build()
    moved: list[torch.device] = []
    monkeypatch.setattr(pipeline, "to", moved.append)
    assert placed(pipeline, torch.device(kind)) is pipeline
    assert [device.type for device in moved] == [kind]
    weight = pipeline.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == (kind == "cuda")
    assert weight.is_contiguous() == (kind == "cpu")
