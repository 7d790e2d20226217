"""Encoding of records: order, scales, people, and the file."""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.core.errors import InputError
from limner.data.record import FaceRecord
from limner.data.variants import variants_of
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.faces.alignment import align
from limner.systems.miniature_data import EncodedFaces, encode_faces, latent_statistics, load_traits
from tests.data.examples import record
from tests.systems.tiny import seeded

RECORDS = [record(0, person="b"), record(1, person="a"), record(2, person="b")]


@pytest.fixture(scope="module")
def autoencoder() -> TinyFaceAutoencoder:
    return seeded(TinyFaceAutoencoder)


@pytest.fixture(scope="module")
def encoded(autoencoder: TinyFaceAutoencoder) -> EncodedFaces:
    return encode_faces(RECORDS, autoencoder, pixels=32, seed=1)


def test_shapes_and_order(encoded: EncodedFaces, autoencoder: TinyFaceAutoencoder) -> None:
    assert (encoded.latents.shape, encoded.latents.dtype) == ((3, 2, 32, 4, 4), torch.float16)
    assert (encoded.face_masks.shape, encoded.face_masks.dtype) == ((3, 2, 1, 4, 4), torch.float16)
    assert (encoded.references.shape, encoded.references.dtype) == ((3, 3, 112, 112), torch.uint8)
    assert encoded.person.tolist() == [1, 0, 1]
    for index, one in enumerate(RECORDS):
        made = variants_of(one, pixels=32, rng=torch.Generator().manual_seed(1 * 1_000_003 + index))
        assert encoded.traits[index] == tuple(variant.traits for variant in made)
        crop = align(one.image, one.landmarks).image
        assert np.array_equal(encoded.references[index].permute(1, 2, 0).numpy(), crop)
        for number, variant in enumerate(made):
            picture = torch.from_numpy(variant.picture.copy()).permute(2, 0, 1)[None] / 127.5 - 1
            with torch.no_grad():
                latents = autoencoder.encode(picture)[0][0]
            torch.testing.assert_close(encoded.latents[index, number].float(), latents, atol=2e-3, rtol=2e-3)
            blocks = variant.face_mask.reshape(4, 8, 4, 8).mean(axis=(1, 3))
            np.testing.assert_allclose(encoded.face_masks[index, number, 0].numpy(), blocks, atol=1e-3)


def test_a_record_is_encoded_alike_beside_others(encoded: EncodedFaces, autoencoder: TinyFaceAutoencoder) -> None:
    alone = encode_faces(RECORDS[:1], autoencoder, pixels=32, seed=1)
    torch.testing.assert_close(alone.latents[0], encoded.latents[0], atol=2e-3, rtol=2e-3)


def test_save_and_load(tmp_path: Path, encoded: EncodedFaces) -> None:
    encoded.save(tmp_path / "faces.safetensors")
    again = EncodedFaces.load(tmp_path / "faces.safetensors")
    assert again.traits == encoded.traits
    for name in ("latents", "face_masks", "references", "person"):
        assert torch.equal(getattr(again, name), getattr(encoded, name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.json", "faces.safetensors"]


def test_standardised_latents_have_zero_mean_and_unit_deviation(autoencoder: TinyFaceAutoencoder) -> None:
    records = [record(seed, person=str(seed)) for seed in range(6)]
    standard = latent_statistics(autoencoder, records, pixels=32, seed=0)
    latents = encode_faces(records, standard, pixels=32, seed=1).latents[:, 0].float()
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(32), atol=0.01, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(32), atol=0.01, rtol=0)


def test_latents_in_half_precision_are_nearly_the_same(autoencoder: TinyFaceAutoencoder) -> None:
    whole, half = (encode_faces(RECORDS, autoencoder, pixels=32, seed=1, half=half).latents for half in (False, True))
    assert half.dtype == torch.float16
    assert not torch.equal(whole, half)
    assert (whole - half).float().std() < 0.03 * whole.float().std()


class Lazy(Sequence[FaceRecord]):
    """Records that are made when they are asked for, as from a shard; remembers which are still held."""

    def __init__(self, size: int) -> None:
        self.size, self.asked, self.alive = size, list[int](), weakref.WeakSet[FaceRecord]()
        self.most_alive = 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: Any) -> Any:
        numbers = range(self.size)[place]
        made = [Held(**vars(record(number % 3))) for number in numbers]
        self.asked += numbers
        self.alive.update(made)
        self.most_alive = max(self.most_alive, len(self.alive))
        return made


class Held(FaceRecord):
    """A record that is told from others by being another one, not by its pixels."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def test_each_record_is_read_once_and_let_go(autoencoder: TinyFaceAutoencoder) -> None:
    """30,000 pictures are more than the memory of a laptop."""
    records = Lazy(100)
    encoded = encode_faces(records, autoencoder, pixels=32, seed=1)
    assert records.asked == list(range(100))
    assert records.most_alive <= 64
    assert len(encoded.latents) == len(encoded.traits) == 100
    assert encoded.latents.isfinite().all()


def test_no_records_are_told(autoencoder: TinyFaceAutoencoder) -> None:
    with pytest.raises(ValueError, match="no records"):
        encode_faces([], autoencoder, pixels=32, seed=1)


def test_traits_of_another_version_are_told(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('[[{"name": "Alma Verin"}]]')
    with pytest.raises(InputError, match=r"another version .* delete .*, it is made anew"):
        load_traits(tmp_path / "train.json")
