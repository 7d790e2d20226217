"""Adapter files of FaceChain-FACT, whole and strict."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from limner.adapters.foreign import SD15_SITES, to_released
from limner.adapters.seam import find_sites
from limner.apps.cli import main
from limner.core.errors import CheckpointError
from limner.systems.fact import Fact, FactConfig
from limner.systems.fact_conversion import SD15, Layout, convert_fact, export_fact
from tests.contracts.backbones import randomise, sd15
from tests.systems.test_fact import CONFIG, trained


@pytest.mark.shared
def test_the_listing_is_exactly_our_model_for_sd15(shared: Path) -> None:
    keys = json.loads((shared / "golden" / "fact" / "keys_adapter_sd15.json").read_text())
    with torch.device("meta"):
        fact = Fact(SD15, SD15_SITES)
    ours = to_released(fact.state_dict())
    assert {name: list(tensor.shape) for name, tensor in ours.items()} == {k: v["shape"] for k, v in keys.items()}
    assert sum(tensor.numel() for tensor in ours.values()) == pytest.approx(255.5e6, rel=1e-3)


@pytest.mark.parametrize("layout", ["released", "training"])
@pytest.mark.parametrize("pickled", [False, True])
def test_there_and_back(tmp_path: Path, layout: Layout, pickled: bool) -> None:
    fact = trained()
    fact.save(tmp_path / "fact.safetensors")
    count = export_fact(tmp_path / "fact.safetensors", tmp_path / "foreign.safetensors", layout=layout)
    foreign = tmp_path / "foreign.safetensors"
    assert count == len(load_file(foreign)) == len(fact.state_dict())
    if pickled:
        torch.save(load_file(foreign), tmp_path / "foreign.ckpt")
        foreign = tmp_path / "foreign.ckpt"
    header = convert_fact(
        foreign, tmp_path / "again.safetensors", layout=layout, config=CONFIG, sites=fact.adapter.sites
    )
    assert header == fact.header()
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "fact.safetensors").read_bytes()


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape"])
def test_every_tensor_counts(tmp_path: Path, fault: str) -> None:
    tensors = to_released(trained().state_dict())
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.processor.alpha_attn"
    if fault == "missing":
        tensors.pop(name)
    elif fault == "unknown":
        tensors[name.replace("alpha_attn", "alpha_more")] = torch.zeros(())
    else:
        tensors[name] = torch.zeros(3)
    save_file(tensors, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="alpha"):
        convert_fact(
            tmp_path / "foreign.safetensors",
            tmp_path / "out.safetensors",
            layout="released",
            config=CONFIG,
            sites=find_sites(sd15()),
        )
    assert not (tmp_path / "out.safetensors").exists()


def test_the_command_refuses_a_wrong_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"local_fac_prj.net.weight": torch.zeros(196, 144)}, tmp_path / "v0.safetensors")
    out = tmp_path / "out.safetensors"
    with pytest.raises(SystemExit) as stop:
        main(["convert", "fact-adapter", str(tmp_path / "v0.safetensors"), "-o", str(out)])
    assert stop.value.code == 2
    assert "first generation" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_the_command_exports(tmp_path: Path) -> None:
    fact = Fact.for_backbone(sd15(), FactConfig.model_validate(CONFIG.model_dump()))
    randomise(fact, 1)
    fact.save(tmp_path / "fact.safetensors")
    out = tmp_path / "out.safetensors"
    with pytest.raises(SystemExit) as stop:
        main(["convert", "fact-adapter", str(tmp_path / "fact.safetensors"), "-o", str(out), "--export"])
    assert stop.value.code == 0
    assert set(load_file(out)) == set(to_released(fact.state_dict()))
