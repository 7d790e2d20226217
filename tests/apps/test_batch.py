"""`limner batch`: rows side by side in one pass, failures named, interruptions survived."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps import batch_job, drawing, portraits
from limner.apps.batch_rows import read_rows
from limner.apps.cli import main
from limner.apps.opened_adapter import OpenedAdapter
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import AdapterError, ConfigError, InputError
from limner.core.images import read_image, write_png
from limner.identity.identity import Identity

EXAMPLE = asset_path("example/person.jpg")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run ``limner batch`` on the tiny model, beside two photos; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    photo = read_image(EXAMPLE)
    write_png("ann.png", photo[::2, ::2])
    write_png("ben.png", photo[::3, ::-3])
    write_png("wall.png", np.full((99, 99, 3), 128, np.uint8))

    def run_batch(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["batch", "--model", str(miniature_folder), "--device", "cpu", "--steps", "2", *arguments])
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_batch


def jobs(text: str, name: str = "jobs.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def pictures() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path("out").glob("0*.png"))}


def report() -> list[dict[str, Any]]:
    return json.loads(Path("out/batch.json").read_text())["rows"]


THREE = "person,prompt,seed,style\nann.png,a photo of a person,3,\nben.png,with glasses,4,\nann.png,,5,sepia\n"


def test_different_people_go_through_one_pass_and_each_gets_their_own(
    run: Run, studio: Studio, monkeypatch: pytest.MonkeyPatch, without_watermark: None
) -> None:
    passes: list[int] = []
    conditioned = OpenedAdapter.conditioned

    def count(self: OpenedAdapter, base: Any, people: Any, showing: Any) -> Any:
        passes.append(len(people))
        return conditioned(self, base, people, showing)

    monkeypatch.setattr(OpenedAdapter, "conditioned", count)
    code, output, errors = run(jobs(THREE))
    assert (code, errors.strip()) == (0, "")
    assert "3 drawn, 0 kept, 0 failed" in output
    assert passes == [3]
    expected = [
        studio.portrait(studio.identity(photo), prompt, seed=seed, num_steps=2, style=style)[0].image
        for photo, prompt, seed, style in (
            ("ann.png", "a photo of a person", 3, None),
            ("ben.png", "with glasses", 4, None),
            ("ann.png", "a person", 5, "sepia"),
        )
    ]
    for number, image in enumerate(expected, start=1):
        assert np.abs(read_image(f"out/{number:04d}.png").astype(int) - image).max() <= 1
    assert [(row["row"], row["state"], row["picture"]) for row in report()] == [
        (1, "drawn", "0001.png"),
        (2, "drawn", "0002.png"),
        (3, "drawn", "0003.png"),
    ]
    assert read_image("out/grid.png").shape[1] > 3 * 128
    licences = {one["name"] for one in json.loads(Path("out/batch.json").read_text())["licences"]}
    assert {"miniature-base", "bisenetv2", "fr_feature"} <= licences


def test_rows_that_fail_are_named_and_the_rest_goes_on(run: Run) -> None:
    lines = [
        {"person": "ann.png", "prompt": "a person"},
        {"person": "wall.png", "prompt": "a person"},
        {"person": "none.png", "prompt": "a person"},
        {"person": "ann.png"},
        {"person": "ann.png", "prompt": "a person", "style": "sepja"},
        {"person": "ann.png", "prompt": "a person", "sed": 4},
        {"person": "", "prompt": "a person"},
        {"person": "ben.png; ben.png", "prompt": "a person", "seed": 9},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\n{broken\n[1]\n"
    code, output, _ = run(jobs(text, "jobs.jsonl"))
    assert code == 1
    assert "2 drawn, 0 kept, 8 failed" in output
    told = {row["row"]: row.get("error", "") for row in report()}
    words = {
        2: "No face was found", 3: "none.png", 4: "the prompt is missing", 5: "did you mean 'sepia'",
        6: "sed: Extra inputs", 7: "names no person", 9: "is no JSON", 10: "is no object",
    }  # fmt: skip
    assert {number for number, error in told.items() if error} == set(words)
    for number, word in words.items():
        assert word in told[number]
        assert f" {number} " in output
    assert set(pictures()) == {"0001.png", "0008.png"}


# Without the mark: of two spellings that fit a picture as well, a difference in the last digit may choose the other.
def test_an_interrupted_batch_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch, without_watermark: None) -> None:
    assert run(jobs(THREE), "-o", "out")[0] == 0
    whole = pictures()
    for path in Path("out").iterdir():
        path.unlink()
    monkeypatch.setattr(batch_job, "CHUNK", 1)
    keep = batch_job._keep
    seen: list[int] = []

    def break_off(batch: Any, task: Any, image: Any) -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(task.line.number)
        keep(batch, task, image)

    monkeypatch.setattr(batch_job, "_keep", break_off)
    assert run(jobs(THREE))[0] not in (0, 1, 2)  # the shell's code for Ctrl-C
    assert len(pictures()) == 2
    with Path("out/journal.jsonl").open("a") as journal:
        journal.write('{"row": 3, "ma')  # the machine went down here
    monkeypatch.setattr(batch_job, "_keep", keep)
    code, output, _ = run(jobs(THREE))
    assert (code, "1 drawn, 2 kept, 0 failed" in output) == (0, True)
    again = pictures()
    assert set(again) == set(whole)
    for name in whole:
        one, other = (read_image(files[name]).astype(int) for files in (whole, again))
        assert np.abs(one - other).max() <= 1
    assert "0 drawn, 3 kept" in run(jobs(THREE))[1]
    assert pictures() == again


def test_what_changed_is_drawn_anew(run: Run) -> None:
    run(jobs(THREE))
    before = pictures()
    code, output, _ = run(jobs(THREE.replace("ben.png,with glasses,4", "ben.png,with glasses,6")))
    assert (code, "1 drawn, 2 kept" in output) == (0, True)
    assert {name for name, content in pictures().items() if content != before[name]} == {"0002.png"}
    write_png("ann.png", read_image(EXAMPLE)[::4, ::4])
    assert "2 drawn, 1 kept" in run("jobs.csv")[1]
    Path("out/0001.png").unlink()
    assert "1 drawn, 2 kept" in run("jobs.csv")[1]
    assert "3 drawn, 0 kept" in run("jobs.csv", "--scale", "0.5")[1]


def test_a_row_that_breaks_the_pass_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = drawing.draw_rows

    def refuse(assembly: Any, rows: Any, dials: Any, **options: Any) -> Any:
        if any(row.seed == 4 for row in rows):
            raise AdapterError("number four")
        return draw(assembly, rows, dials, **options)

    monkeypatch.setattr(portraits, "draw_rows", refuse)
    code, output, _ = run(jobs(THREE))
    assert (code, "2 drawn, 0 kept, 1 failed" in output, "number four" in output) == (1, True, True)


def test_cards_and_several_photos_are_people_too(run: Run, person: Identity) -> None:
    person.save("me.safetensors")
    text = "person,prompt\nme.safetensors,a person\nann.png; ann.png,a person\n"
    assert run(jobs(text))[0] == 0
    assert len(pictures()) == 2


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("jobs.txt", "", ConfigError, r"neither \.csv nor \.jsonl"),
        ("jobs.csv", "", InputError, "has no rows"),
        ("jobs.csv", "person,prompt\n", InputError, "has no rows"),
        ("jobs.csv", "person,promt\na,b\n", ConfigError, "unknown columns promt; known are person, prompt"),
    ],
)
def test_files_without_rows_are_refused(
    tmp_path: Path, name: str, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        read_rows(tmp_path / name)


def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_bytes('﻿person,prompt,seed\r\na.png,"red, and\nblue",7\r\nb.png,x,y\r\nc.png,x,1,2\r\n'.encode())
    first, second, third = read_rows(path)
    assert first.row is not None
    assert (first.row.prompt, first.row.seed) == ("red, and\nblue", 7)
    assert "seed" in second.error
    assert "more cells than columns" in third.error


def test_bad_options_fail_the_batch_before_anything_is_opened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.apps.studio.Studio.open", lambda *_, **__: pytest.fail("the model was opened"))
    for arguments, message in (
        ([jobs(THREE), "--steps", "0"], "num_steps = 0"),
        (["none.csv"], "none.csv cannot be read"),
    ):
        code, _, errors = run(*arguments)
        assert (code, message in errors) == (2, True)
    assert not Path("out").exists()


def test_commercial_use_is_refused(run: Run) -> None:
    code, _, errors = run(jobs(THREE), "--commercial")
    assert (code, "miniature-base" in errors) == (2, True)
