"""Where an opened base lies, and what is told of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from limner.apps.bases import Base, placed
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


@pytest.mark.parametrize(
    ("name", "folder", "told"),
    [("/home/me/secret/base", Path("/home/me/secret/base"), "base"), ("owner/model", None, "owner/model")],
)
def test_where_a_folder_lies_is_not_told(name: str, folder: Path | None, told: str) -> None:
    base = Base(name, "other", folder, PIPELINES[0].build())
    assert base.public_name == told
    assert base.licences == (told,)
