"""Adapters as a recipe asks for them and as their files name them."""

from pathlib import Path

import pytest
import torch

from limner.adapters.projectors import ResamplerConfig
from limner.core.checkpoint import Header, read_header, save_checkpoint
from limner.core.errors import AdapterError, CheckpointError, FeatureSpaceError
from limner.systems.adapter_files import begin_adapter, trained_with
from limner.systems.decoupled import Decoupled
from limner.systems.designs import AdapterDesign, load_system, new_system
from limner.systems.fact import Fact
from tests.contracts.backbones import randomise, sd2, sd15

SIZES = ResamplerConfig(
    feature_width=6, width=8, num_layers=1, num_heads=2, head_width=4, num_tokens=3, context_width=10
)


def design(**changes: object) -> AdapterDesign:
    own = {"backbone": "tiny", "feature_space": "space", "template": "t", "licence": "cc0", "resampler": SIZES}
    return AdapterDesign.model_validate(own | {"num_patches": 7} | changes)


def test_a_recipe_picks_the_system() -> None:
    assert isinstance(new_system(sd15(), design()), Fact)
    rival = new_system(sd15(), design(design="decoupled"))
    assert isinstance(rival, Decoupled)
    assert (rival.config.feature_width, rival.config.context_width, rival.config.num_tokens) == (6, 10, 4)


@torch.no_grad()
@pytest.mark.parametrize("changes", [{"tokens": "global"}, {"design": "decoupled"}], ids=str)
def test_a_global_vector_is_all_that_is_read(changes: dict[str, str]) -> None:
    system = new_system(sd15(), design(**changes))
    randomise(system, 1)
    features = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(0))
    mean = features.mean(dim=2, keepdim=True).expand(-1, -1, 7, -1)
    torch.testing.assert_close(system.face_tokens(features), system.face_tokens(mean))
    assert not torch.allclose(system.face_tokens(features), system.face_tokens(2 * features))
    full = new_system(sd15(), design())
    randomise(full, 1)
    assert not torch.allclose(full.face_tokens(features), full.face_tokens(mean), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("changes", [{}, {"tokens": "global"}, {"design": "decoupled"}], ids=str)
def test_no_face_is_all_zero_features(changes: dict[str, str]) -> None:
    system = new_system(sd15(), design(**changes)).eval()
    randomise(system, 1)
    torch.testing.assert_close(system.null_tokens, system.face_tokens(torch.zeros(1, 1, 7, 6)))


def test_photos_of_a_person_are_laid_end_to_end() -> None:
    system = new_system(sd15(), design(design="decoupled"))
    features = torch.randn(2, 3, 7, 6)
    tokens = system.face_tokens(features)
    assert tokens.shape == (2, 3 * 4, 10)
    torch.testing.assert_close(tokens[:, 4:8], system.face_tokens(features[:, 1:2]))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x.safetensors", {}, Header(system="face-vit", version="1", licence="cc0"))
    with pytest.raises(CheckpointError, match="expected a face adapter: fact, decoupled"):
        load_system(tmp_path / "x.safetensors", sd15())


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    new_system(sd15(), design(design="decoupled")).save(tmp_path / "x.safetensors")
    with pytest.raises(AdapterError, match="made for this backbone"):
        load_system(tmp_path / "x.safetensors", sd2())


def test_features_of_another_space_are_refused() -> None:
    with pytest.raises(FeatureSpaceError, match="'other'"):
        new_system(sd15(), design(design="decoupled")).require_space("other")


def test_loading_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    backbone = sd15()
    new_system(backbone, design(design="decoupled")).save(tmp_path / "x.safetensors")
    before = torch.random.get_rng_state()
    load_system(tmp_path / "x.safetensors", backbone)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_header_names_who_took_part_in_training(tmp_path: Path) -> None:
    encoder = Header(
        system="face-vit", version="1", feature_space="space", licence="cc0", recognizers={"guide": "teacher"}
    )
    system = new_system(sd15(), design())
    header = trained_with(system.header(), encoder, ["filter", "guide"])
    save_checkpoint(tmp_path / "x.safetensors", system.state_dict(), header)
    assert read_header(tmp_path / "x.safetensors").recognizers == {
        "filter": "filtered the training data",
        "guide": "teacher",
        "space": "encoder",
    }


def test_whoever_took_part_in_the_first_training_took_part_in_the_second(tmp_path: Path) -> None:
    encoder = Header(system="face-vit", version="1", feature_space="space", licence="cc0")
    torch.manual_seed(0)
    first, second = new_system(sd15(), design()), new_system(sd15(), design())
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, first.state_dict(), trained_with(first.header(), encoder, ["filter"]))
    start = begin_adapter(second, path, like=second.header())
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in second.state_dict().items())
    assert trained_with(second.header(), encoder, start=start).recognizers == {
        "filter": "filtered the training data",
        "space": "encoder",
    }


def test_a_run_does_not_begin_with_weights_of_another_kind_or_for_other_features(tmp_path: Path) -> None:
    path, system = tmp_path / "x.safetensors", new_system(sd15(), design())
    rival = new_system(sd15(), design(design="decoupled"))
    rival.save(path)
    with pytest.raises(CheckpointError, match="expected 'fact'"):
        begin_adapter(system, path, like=system.header())
    new_system(sd15(), design(feature_space="elsewhere")).save(path)
    with pytest.raises(FeatureSpaceError, match="'elsewhere'"):
        begin_adapter(system, path, like=system.header())
