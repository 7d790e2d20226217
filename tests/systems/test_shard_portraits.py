"""Rows of shards: the right picture, face, mask and sentence, whether kept from before or made now."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from limner.core.errors import InputError
from limner.data.record import FaceRecord, write_shard
from limner.data.shard_index import ShardIndex
from limner.faces.alignment import align
from limner.systems.shard_portraits import PortraitFormat, ShardPortraits, face_mask, picture_of, sentence_of
from tests.data.examples import record

FORM = PortraitFormat(pixels=32, mask_side=8, mask_region="face", kept={})


def plan(records: list[int], references: list[int], keep_text: bool = True) -> dict[str, Tensor]:
    rows = len(records)
    return {
        "record": torch.tensor(records),
        "reference": torch.tensor(references),
        "variant": torch.zeros(rows, dtype=torch.long),
        "keep_text": torch.full((rows,), keep_text),
        "text_seed": torch.arange(rows),
    }


def tokenize(prompts: object) -> dict[str, Tensor]:
    assert isinstance(prompts, list)
    return {"tokenizer": torch.tensor([[len(prompt)] for prompt in prompts])}


def portraits(folder: Path, records: list[FaceRecord], form: PortraitFormat = FORM) -> ShardPortraits:
    write_shard(folder / "a.tar", records)
    return ShardPortraits(ShardIndex(folder), form, tokenize)


@pytest.fixture
def records() -> list[FaceRecord]:
    people = ["a", "a", "b"]
    return [record(i, person=person, caption=f"caption {i}" * (i + 1)) for i, person in enumerate(people)]


def test_a_row_shows_its_target_and_the_references_face(tmp_path: Path, records: list[FaceRecord]) -> None:
    source = portraits(tmp_path, records)
    assert source.people == {"a": [0, 1], "b": [2]}
    batch = source.load(plan([2, 0], [2, 1]))
    stored = [source.index[number] for number in range(3)]
    assert torch.equal(batch["pictures"], torch.stack([picture_of(stored[i], 32) for i in (2, 0)]))
    faces = np.stack([align(stored[i].image, stored[i].landmarks).image for i in (2, 1)])
    assert torch.equal(batch["faces"], torch.from_numpy(faces).permute(0, 3, 1, 2))
    assert batch["tokenizer"].flatten().tolist() == [len(stored[i].caption or "") for i in (2, 0)]
    assert batch["sizes"].tolist() == [[256.0, 256.0, 0.0, 0.0, 32.0, 32.0]] * 2
    assert source.load(plan([0], [0], keep_text=False))["tokenizer"].item() == 0


def test_the_mask_covers_the_face_and_a_little_more() -> None:
    one = record()
    mask = face_mask(one, FORM)
    assert mask.shape == (1, 8, 8)
    assert mask[0, 2:6, 2:6].min() == 1.0  # the labels' face is the middle half
    assert 0 < float(mask[0, 1, 3]) < 1
    assert mask[0, 0].max() == 0.0
    head = face_mask(one, replace(FORM, mask_region="head"))
    assert float(head.sum()) > float(mask.sum())


def test_what_is_kept_is_taken(tmp_path: Path, records: list[FaceRecord]) -> None:
    names = {kind: f"{kind}/abc" for kind in ("latents", "context", "pooled", "face_features")}
    kept = [
        replace(one, cached={name: np.full((2, 3), i, np.float16) for name in names.values()})
        for i, one in enumerate(records)
    ]
    batch = portraits(tmp_path, kept, replace(FORM, kept=names)).load(plan([2, 0], [2, 1]))
    assert {"pictures", "faces", "tokenizer"} & batch.keys() == set()
    for kind, expected in (("latents", [2, 0]), ("context", [2, 0]), ("pooled", [2, 0]), ("face_features", [2, 1])):
        assert batch[kind][:, 0, 0].tolist() == expected
        assert batch[kind].dtype == torch.float16


def test_what_is_not_kept_is_asked_for_by_name(tmp_path: Path, records: list[FaceRecord]) -> None:
    source = portraits(tmp_path, records, replace(FORM, kept={"latents": "latents/abc"}))
    with pytest.raises(InputError, match=r"the record 00000_0 .* holds no latents/abc"):
        source.load(plan([0], [0]))


def test_people_kept_for_validation_are_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training records"):
        portraits(tmp_path, [record(0, split="validation")])


def test_the_share_that_faces_take(tmp_path: Path, records: list[FaceRecord]) -> None:
    torch.testing.assert_close(portraits(tmp_path, records).face_area, torch.tensor([0.25, 0.25, 0.25]))


def test_a_picture_must_be_square() -> None:
    with pytest.raises(InputError, match="256 x 128"):
        picture_of(record(image=np.zeros((128, 256, 3), np.uint8)), 32)


def test_a_record_without_a_caption_is_described() -> None:
    one = record(caption=None)
    assert sentence_of(one, 1) == sentence_of(one, 1)
    assert "person" in sentence_of(one, 1)
    assert len({sentence_of(one, seed) for seed in range(20)}) > 1
