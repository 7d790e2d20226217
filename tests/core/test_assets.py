"""Packaged files are found, listed and hashed."""

from pathlib import Path

import pytest

from limner.core.assets import WEIGHTS, asset_path, listed_files, packaged_assets, write_sums
from limner.core.errors import CheckpointError


def test_a_packaged_file_is_found() -> None:
    assert asset_path("yunet/yunet_n_dynamic.onnx").is_file()


def test_a_missing_file_is_named_with_the_remedy() -> None:
    with pytest.raises(CheckpointError, match=r"nowhere/x.onnx is missing .* install Limner again"):
        asset_path("nowhere/x.onnx")


def test_every_packaged_file_is_listed_and_whole() -> None:
    assets = packaged_assets()
    files = [path.relative_to(WEIGHTS).as_posix() for path in listed_files()]
    assert sorted(asset.name for asset in assets) == sorted(files), "run `make sums`"
    assert [asset.name for asset in assets if not asset.whole] == [], "run `make sums`"


def test_every_packaged_folder_has_its_licence() -> None:
    folders = {path.relative_to(WEIGHTS).parts[0] for path in listed_files()}
    assert [folder for folder in sorted(folders) if not (WEIGHTS / folder / "LICENSE").is_file()] == []


def test_the_package_stays_small() -> None:
    assert sum(path.stat().st_size for path in listed_files()) < 45e6


def test_changed_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    (tmp_path / "LICENSE").write_text("prose is not listed")
    write_sums(tmp_path)
    (tmp_path / "b").write_text("other")
    (tmp_path / "c").unlink()
    assert [(asset.name, asset.state, asset.num_bytes) for asset in packaged_assets(tmp_path)] == [
        ("a", "ok", 1),
        ("b", "changed", 5),
        ("c", "missing", 0),
    ]


@pytest.mark.parametrize("content", [None, "no hash here\n"])
def test_a_broken_list_is_an_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "SHA256SUMS").write_text(content)
    with pytest.raises(CheckpointError, match="list of packaged files"):
        packaged_assets(tmp_path)
