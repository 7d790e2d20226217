"""`limner evaluate` on a tiny model: the whole way from names to a report."""

import json
from pathlib import Path

import pytest

from limner.apps.cli import main
from limner.apps.evaluation_methods import methods_named
from limner.core.errors import ConfigError, MissingExtraError
from limner.evaluation.measuring import Instruments
from limner.identity.judge import JudgeRecognizer
from limner.identity.recognition import GUIDE_SPACE, JUDGE_SPACE
from limner.systems.designs import AdapterDesign, new_system
from tests.apps.evaluation_desk import FEW, write_people
from tests.apps.tiny_models import tiny_fact, tiny_miniature


@pytest.fixture(scope="module", autouse=True)
def _judge() -> None:
    try:
        JudgeRecognizer()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    unet = tiny_miniature().unet
    sizes = tiny_fact(unet).config.model_dump()
    path = tmp_path_factory.mktemp("rival") / "adapter.safetensors"
    new_system(unet, AdapterDesign(**sizes, design="decoupled")).save(path)
    return path


@pytest.fixture(scope="module")
def output(
    miniature_folder: Path,
    shards: Path,
    rival: Path,
    features_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    methods = [
        "--methods",
        f"fact,rival={rival}",
        "--model",
        str(miniature_folder),
        "--features",
        str(features_file),
    ]
    # By the words alone: then an adapter with closed gates changes nothing.
    assert run(*methods, "--shards", str(shards), "-o", str(folder), *FEW, "--glasses", "words") == 0
    return folder


def test_the_report_holds_base_and_methods(output: Path) -> None:
    report = json.loads((output / "report.json").read_text())
    group = report["groups"]["validation"]
    assert list(group["methods"]) == ["base", "fact", "rival"]
    assert group["people"] == 2
    assert group["reference"] == "fact"
    assert group["methods"]["rival"]["difference"]["found"]["value"] is not None
    assert group["methods"]["fact"]["distance"]["pictures"] == 2 * 2
    assert group["methods"]["base"]["metrics"]["relative_change_perceptual"]["value"] == 0
    assert group["methods"]["fact"]["metrics"]["relative_change_perceptual"]["value"] > 0
    assert group["methods"]["rival"]["metrics"]["relative_change_perceptual"]["value"] == pytest.approx(0, abs=1e-6)


def test_the_report_names_roles_and_what_was_not_measured(output: Path) -> None:
    report = json.loads((output / "report.json").read_text())
    assert "judge" in report["roles"][JUDGE_SPACE]
    assert "filtered" in report["roles"][GUIDE_SPACE]
    notes = " ".join(report["notes"])
    assert "independent classifiers was not measured" in notes
    assert "not LPIPS and not FID" in notes
    assert "captions' own ruler" in notes


def test_the_page_shows_generated_people(output: Path) -> None:
    text = (output / "report.html").read_text()
    assert text.count("data:image/jpeg") == 2 * (1 + 3)


def test_a_second_start_draws_nothing(output: Path, miniature_folder: Path, shards: Path, rival: Path) -> None:
    pictures = sorted((output / "pictures").rglob("*.png"))
    assert len(pictures) == 3 * 2 * 2
    before = [path.stat().st_mtime_ns for path in pictures]
    methods = ["--methods", f"fact,rival={rival}", "--model", str(miniature_folder)]
    assert run(*methods, "--shards", str(shards), "-o", str(output), *FEW, "--glasses", "words") == 0
    assert sorted((output / "pictures").rglob("*.png")) == pictures
    assert [path.stat().st_mtime_ns for path in pictures] == before


def test_the_distance_to_other_people_is_told_to_all_their_pictures(
    output: Path, miniature_folder: Path, shards: Path, features_file: Path, tmp_path: Path
) -> None:
    others = write_people(tmp_path / "others", people=3)
    settings = ["--model", str(miniature_folder), "--features", str(features_file), "--shards", str(shards), *FEW]
    assert run(*settings, "-o", str(tmp_path / "out"), "--unseen", str(others)) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    methods = report["groups"]["validation"]["methods"]
    assert {name: (one["unseen"]["pictures"], one["unseen"]["photos"]) for name, one in methods.items()} == {
        "base": (4, 6),
        "fact": (4, 6),
    }
    assert f"6 pictures of {others}" in " ".join(report["notes"])
    plain = json.loads((output / "report.json").read_text())
    assert plain["groups"]["validation"]["methods"]["fact"]["unseen"] is None


def test_a_judge_that_took_part_is_refused(
    miniature_folder: Path, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(miniature_folder), "--shards", str(shards), "-o", str(tmp_path / "out"), *FEW]
    assert run(*arguments, "--judge", GUIDE_SPACE) == 2
    assert "took part in its training" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--methods", "rival"], "name the file of 'rival'"),
        (["--methods", "base"], "always measured"),
        (["--protocol", "nobody"], "known are miniature"),
        (["--judge", "nobody"], "there is no judge"),
        (["--reference", "nobody"], "none of the methods"),
    ],
)
def test_a_wrong_name_is_told(
    options: list[str],
    told: str,
    miniature_folder: Path,
    shards: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--model", str(miniature_folder), "--shards", str(shards), "-o", str(tmp_path / "out")]
    assert run(*arguments, *options) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_the_drawn_people_are_no_unseen_ones(
    miniature_folder: Path, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(miniature_folder), "--shards", str(shards), "-o", str(tmp_path / "out")]
    assert run(*arguments, "--unseen", str(shards)) == 2
    assert "name shards of other people" in " ".join(capsys.readouterr().err.split())


def test_methods_by_name_and_file() -> None:
    assert methods_named("fact, rival=a/b.safetensors") == {"fact": None, "rival": Path("a/b.safetensors")}
    for wrong in ("", "fact,fact", "a=", "../x", "=file"):
        with pytest.raises(ConfigError, match="NAME=FILE"):
            methods_named(wrong)


def test_a_real_face_is_measured_in_full(shards: Path) -> None:
    from limner.data.shard_index import ShardIndex

    image = ShardIndex(shards)[0].image
    facts = Instruments(JudgeRecognizer()).face_of(image)
    assert facts is not None
    assert facts.embedding.shape == (128,)
    assert facts.mask.shape == image.shape[:2]
    assert 0.03 < facts.mask.mean() < 0.6
    small = Instruments(JudgeRecognizer()).face_of(image[::2, ::2])
    assert small is not None
    assert small.mask.shape == (128, 128)
    assert float(small.embedding @ facts.embedding) > 0.9
