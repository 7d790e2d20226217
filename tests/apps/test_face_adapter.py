"""``limner.FaceAdapter`` in stock pipelines, and the page docs/howto-diffusers.md as it is written."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import limner
from limner.core.assets import asset_path
from limner.core.consent import Consent
from limner.core.errors import (
    AdapterError,
    CheckpointError,
    ConsentError,
    FeatureSpaceError,
    NotInjectedError,
)
from limner.identity.identity import Identity
from limner.trust.checking import check_picture
from tests.apps.tiny_models import save_tiny_encoder, tiny_fact
from tests.contracts.backbones import sdxl
from tests.contracts.pipelines import PIPELINES, draw

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto-diffusers.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
KIND = PIPELINES[0]


@pytest.fixture(scope="module")
def pipeline() -> Any:
    pipeline = KIND.build()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pipeline: Any) -> Path:
    """What the page speaks of: a base, an adapter for it, the encoder, a photo, a card."""
    folder = tmp_path_factory.mktemp("diffusers")
    pipeline.save_pretrained(folder / "sd15")
    tiny_fact(pipeline.unet).save(folder / "fact.safetensors")
    save_tiny_encoder(folder / "transface.safetensors")
    (folder / "me.jpg").write_bytes(asset_path("example/person.jpg").read_bytes())
    adapter = limner.FaceAdapter.from_pretrained(folder / "fact.safetensors", encoder=folder / "transface.safetensors")
    adapter.identity(folder / "me.jpg", origin="generated").save(folder / "ben.identity.safetensors")
    return folder


@pytest.fixture
def adapter(folder: Path) -> limner.FaceAdapter:
    return limner.FaceAdapter.from_pretrained(folder / "fact.safetensors", encoder=folder / "transface.safetensors")


@pytest.fixture(scope="module")
def person(folder: Path) -> Identity:
    return Identity.load(folder / "ben.identity.safetensors")


@pytest.mark.parametrize("program", PROGRAMS, ids=["first", "marked", "others"])
def test_the_programs_of_the_page_run(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(compile(program, str(PAGE), "exec"), names)
    if "four" in names:
        assert (len(names["both"]), len(names["four"])) == (2, 4)
    if "making" in names:
        assert check_picture(folder / "portrait.png").status == "marked"


def test_it_changes_the_picture_and_leaves_no_trace(
    adapter: limner.FaceAdapter, person: Identity, pipeline: Any
) -> None:
    def picture() -> np.ndarray:
        return draw(pipeline, KIND, ["a"], [1])

    before = picture()
    with adapter.injected(pipeline.unet):
        with adapter.conditioned(person):
            assert not np.array_equal(picture(), before)
        with adapter.conditioned(person, scale=0.0):
            assert np.array_equal(picture(), before)
    assert np.array_equal(picture(), before)


def test_it_takes_the_precision_of_the_backbone(adapter: limner.FaceAdapter, pipeline: Any) -> None:
    unet = KIND.build().unet.to(torch.bfloat16)
    with adapter.injected(unet) as inside:
        assert {value.dtype for value in inside._system.parameters()} == {torch.bfloat16}
    with adapter.injected(pipeline.unet) as inside:
        assert {value.dtype for value in inside._system.parameters()} == {torch.float32}


def test_a_folder_brings_its_own_encoder(miniature_folder: Path, folder: Path) -> None:
    found = limner.FaceAdapter.from_pretrained(miniature_folder)
    assert (found.path, found.encoder_path) == (
        miniature_folder / "adapter.safetensors",
        miniature_folder / "encoder.safetensors",
    )
    assert found.licences == ("miniature-adapter", "miniature-encoder")
    packaged = limner.FaceAdapter.from_pretrained("miniature")
    assert packaged.encoder_path == asset_path("miniature/encoder.safetensors")
    alone = limner.FaceAdapter.from_pretrained(folder / "fact.safetensors")
    assert alone.encoder_path is None
    with pytest.raises(FeatureSpaceError, match="no encoder of that space was given"):
        alone.identity(folder / "me.jpg")


def test_a_hub_name_is_fetched_with_its_options(miniature_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    def fetch(name: str, **options: Any) -> str:
        asked.append((name, options))
        if name == "nobody/nothing":
            raise OSError("no network")
        return str(miniature_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    found = limner.FaceAdapter.from_pretrained("owner/model", revision="v1", local_files_only=True)
    assert found.path.parent == miniature_folder
    assert asked[0][0] == "owner/model"
    assert (asked[0][1]["revision"], asked[0][1]["local_files_only"]) == ("v1", True)
    assert asked[0][1]["allow_patterns"] == ["adapter.safetensors", "encoder.safetensors"]
    with pytest.raises(CheckpointError, match="'nobody/nothing' cannot be fetched"):
        limner.FaceAdapter.from_pretrained("nobody/nothing")


def test_what_does_not_fit_is_refused(
    adapter: limner.FaceAdapter, person: Identity, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotInjectedError, match=r"with adapter.injected\(pipeline.unet\)"), adapter.conditioned(person):
        pass
    with pytest.raises(AdapterError, match="made for"), adapter.injected(sdxl()):
        pass
    save_tiny_encoder(tmp_path / "other.safetensors", space="elsewhere")
    with pytest.raises(FeatureSpaceError, match="'elsewhere'"):
        limner.FaceAdapter.from_pretrained(folder / "fact.safetensors", encoder=tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError):
        limner.FaceAdapter.from_pretrained(tmp_path / "none.safetensors")


def test_whose_consent_is_over_is_not_shown(adapter: limner.FaceAdapter, person: Identity, pipeline: Any) -> None:
    over = replace(person, consent=Consent(purpose="a calendar", given=date(2020, 1, 1), until=date(2020, 2, 1)))
    with adapter.injected(pipeline.unet), pytest.raises(ConsentError), adapter.conditioned(over):
        pass
