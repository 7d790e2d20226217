"""What opens, what is refused and why; that the network is asked only for hub names."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image

from limner.apps import assembly, bases
from limner.apps.assembly import assemble
from limner.core.errors import AdapterError, CheckpointError, ConfigError, FeatureSpaceError
from tests.apps.tiny_models import save_tiny_encoder, tiny_fact, tiny_miniature
from tests.contracts.backbones import sd15


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls to diffusers' loader, which fails as it does without a network."""
    calls: list[dict[str, Any]] = []

    def load(name: Any, **options: Any) -> None:
        calls.append({"name": name, **options})
        raise OSError("no such repository\nmore words")

    monkeypatch.setattr(AutoPipelineForText2Image, "from_pretrained", load)
    return calls


def test_a_folder_and_the_packaged_miniature_are_opened_by_the_same_code(
    miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(miniature_folder, tmp_path / "miniature")
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path)
    for name in ("miniature", miniature_folder):
        opened = assemble(name, device="cpu")
        assert (opened.base.kind, opened.base.guidance_scale) == ("miniature", 2.0)
        assert opened.adapter is not None
        assert opened.adapter.encoder_path is not None
        assert opened.licences == ("miniature-base", "taef2", "miniature-adapter", "miniature-encoder")


def test_missing_weights_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path)
    with pytest.raises(CheckpointError, match=r"embedded model is missing.*name another model"):
        assemble("miniature")
    (tmp_path / "miniature").mkdir()
    with pytest.raises(CheckpointError, match=r"miniature.*model_index\.json"):
        assemble("miniature")


def test_a_miniature_without_adapter_is_a_base(tmp_path: Path) -> None:
    tiny_miniature().save(tmp_path)
    opened = assemble(tmp_path)
    assert opened.adapter is None
    assert opened.licences == ("miniature-base", "taef2")


@pytest.mark.parametrize("part", ["vae", "text_encoder", "tokenizer"])
def test_a_miniature_without_a_part_is_refused(tmp_path: Path, part: str) -> None:
    tiny_miniature().save(tmp_path)
    (tmp_path / part).rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=part):
        assemble(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-model", "there is no model 'no-such-model'"),
        ("./owner/model", "there is no model"),
        ("models/typo", "there is no model"),
        ("models/one.safetensors", "single file"),
        ("models", r"model_index\.json"),
        ("", r"there is no model|model_index\.json"),
    ],
)
def test_what_is_no_model_is_refused_without_asking_the_network(
    name: str, message: str, no_network: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.safetensors").touch()
    with pytest.raises(CheckpointError, match=message):
        assemble(name)
    assert no_network == []


def test_a_hub_name_asks_the_hub(no_network: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"owner/model cannot be opened by diffusers \(no such repository\)"):
        assemble("owner/model", device="cpu")
    [call] = no_network
    assert (call["name"], call["local_files_only"], call["use_safetensors"]) == ("owner/model", False, True)


def test_a_folder_is_opened_without_network(no_network: list, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be opened by diffusers"):
        assemble(tmp_path)
    assert no_network[0]["local_files_only"] is True


def test_other_pipelines_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    monkeypatch.setattr(AutoPipelineForText2Image, "from_pretrained", lambda *_, **__: Path())
    with pytest.raises(CheckpointError, match="is a PosixPath; give Stable Diffusion"):
        assemble(tmp_path)


def test_pickled_weights_are_refused_before_anything_reads_them(no_network: list, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(CheckpointError, match=r"pickles only \(unet/diffusion_pytorch_model\.bin\)"):
        assemble(tmp_path)
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").touch()
    with pytest.raises(CheckpointError, match="cannot be opened by diffusers"):
        assemble(tmp_path)
    assert len(no_network) == 1


def test_a_wrong_adapter_file_is_refused(miniature_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"encoder\.safetensors holds weights of 'face-vit', expected a face adapter"
    ):
        assemble(miniature_folder, adapter=miniature_folder / "encoder.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.pt")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        assemble(miniature_folder, adapter=tmp_path / "pickle.pt")
    with pytest.raises(CheckpointError, match=r"none\.safetensors: there is no such file"):
        assemble("owner/model", adapter=tmp_path / "none.safetensors")


def test_an_adapter_for_another_base_is_refused(miniature_folder: Path, tmp_path: Path) -> None:
    tiny_fact(sd15()).save(tmp_path / "other.safetensors")
    with pytest.raises(AdapterError, match="Use an adapter made for this backbone"):
        assemble(miniature_folder, adapter=tmp_path / "other.safetensors")


def test_the_encoder_must_be_the_adapters(
    miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "WEIGHTS", tmp_path)
    save_tiny_encoder(tmp_path / "other.safetensors", space="other-space")
    with pytest.raises(FeatureSpaceError, match="other-space"):
        assemble(miniature_folder, encoder=tmp_path / "other.safetensors")
    tiny_fact(tiny_miniature().unet, space="other-space").save(tmp_path / "adapter.safetensors")
    alone = assemble(miniature_folder, adapter=tmp_path / "adapter.safetensors").adapter
    assert alone is not None
    with pytest.raises(FeatureSpaceError, match=r"no encoder of that space was given.*--encoder"):
        alone.recognizer()
    fitting = assemble(
        miniature_folder, adapter=tmp_path / "adapter.safetensors", encoder=tmp_path / "other.safetensors"
    ).adapter
    assert fitting is not None
    assert fitting.recognizer().feature_space == "other-space"


def test_a_packaged_encoder_serves_other_bases(
    miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_miniature().save(tmp_path / "base")
    (tmp_path / "miniature").mkdir()
    save_tiny_encoder(tmp_path / "miniature" / "encoder.safetensors")
    monkeypatch.setattr(assembly, "WEIGHTS", tmp_path)
    opened = assemble(tmp_path / "base", adapter=miniature_folder / "adapter.safetensors").adapter
    assert opened is not None
    assert opened.encoder_path == tmp_path / "miniature" / "encoder.safetensors"


def test_an_unknown_device_is_refused(miniature_folder: Path) -> None:
    with pytest.raises(ConfigError, match="the device 'gpu' cannot be used"):
        assemble(miniature_folder, device="gpu")
