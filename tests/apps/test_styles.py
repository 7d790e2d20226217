"""Styles: those we ship, those of a user, and what they do to a picture."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps.cli import main
from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.apps.styles import PACKAGED, PLACEHOLDER, all_styles, find_style, style_files
from limner.core.errors import AdapterError, ConfigError
from limner.data.captions import WORDS
from limner.identity.identity import Identity
from tests.diffusion.loras import lora_of, save

THEMES = {"clothing", "era", "medium", "place", "profession", "season"}
Run = Callable[..., tuple[int, str, str]]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_sixty_styles_of_our_own_come_along() -> None:
    found = all_styles()
    assert len(found) >= 60
    assert {one.theme for one in found} == THEMES
    assert min(sum(one.theme == theme for one in found) for theme in THEMES) >= 8
    assert len({one.style.title for one in found}) == len(found)
    assert len({one.style.prompt for one in found}) == len(found)
    assert [one for one in found if one.style.lora] == []  # we ship no LoRA


@pytest.mark.parametrize("name", [one.name for one in all_styles() if one.style.miniature])
def test_the_miniature_is_told_nothing_but_words_it_was_taught(name: str) -> None:
    known = {words for values in WORDS.values() for spoken in values.values() for words in spoken}
    sentence = find_style(name).style.miniature or ""
    start, _, rest = sentence.partition(PLACEHOLDER)
    assert start.strip() in known | {""}
    assert {part.strip() for part in rest.split(",") if part.strip()} <= known


def test_the_prompt_stands_in_the_style_and_both_negatives_count() -> None:
    found = find_style("watercolour")
    prompt, negative = found.words("an old man", "hat", "sd15")
    assert prompt.startswith("a watercolour of an old man, ")
    assert negative.startswith("hat, ")
    assert len(negative) > len("hat, ")
    assert found.words("an old man", "", "miniature")[0] == "a watercolour of an old man"


def test_users_add_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "mine", "velvet", 'title = "Velvet"\nprompt = "{prompt}, in velvet"')
    found = find_style("velvet", tmp_path)
    assert (found.theme, found.style.base) == ("mine", "any")
    assert len(style_files(tmp_path)) == len(style_files()) + 1
    write(tmp_path, "pencil", 'title = "P"\nprompt = "{prompt}"')
    with pytest.raises(ConfigError, match="two styles have the name 'pencil'"):
        find_style("velvet", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('title = "A"\nprompt = "{prompt}"\nnegativ_prompt = "x"', "unknown, did you mean 'negative_prompt'"),
        ('title = "A"\nprompt = "words"', r"expected a sentence with \{prompt\} once"),
        ('title = "A"\nprompt = "{prompt} {prompt}"', "once"),
        ('title = "A"', "prompt: Field required"),
        ('title = "A"\nprompt = "{prompt}"\nbase = "sd3"', "base"),
        ('title = "A"\nprompt = "{prompt}"\nscheduler = "dmp"', "the sampler 'dmp' is unknown"),
        ('title = "A"\nprompt = "{prompt}"\nadapter_scale = -1', "adapter_scale"),
        ("title =", "is not TOML"),
    ],
)
def test_malformed_files_are_refused_by_key(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "bad", text)
    with pytest.raises(ConfigError, match=message):
        find_style("bad", tmp_path)


def test_unknown_names_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'watercolor' is unknown, did you mean 'watercolour'"):
        find_style("watercolor")
    with pytest.raises(ConfigError, match="there is no folder"):
        find_style("pencil", tmp_path / "none")


def test_what_the_user_says_goes_before_what_a_style_recommends(studio: Studio, tmp_path: Path) -> None:
    write(
        tmp_path,
        "own",
        'title = "O"\nprompt = "{prompt}, x"\nadapter_scale = 0.3\nguidance_scale = 2.0\nnum_steps = 7\n'
        'scheduler = "ddim"',
    )
    own: dict[str, Any] = {"prompt": "a person", "style": "own", "styles": tmp_path}
    taken = studio.completed(PortraitSettings.of(**own))
    assert (taken.adapter_scale, taken.guidance_scale, taken.num_steps, taken.scheduler) == (0.3, 2.0, 7, "ddim")
    kept = studio.completed(PortraitSettings.of(**own, adapter_scale=0.8, num_steps=25, guidance_scale=1.0))
    assert (kept.adapter_scale, kept.guidance_scale, kept.num_steps, kept.scheduler) == (0.8, 1.0, 25, "ddim")
    assert studio.completed(taken) == taken
    assert studio.words(taken)[0] == "a person, x"


def test_a_style_draws_as_its_words_would(studio: Studio, person: Identity) -> None:
    [styled] = studio.portrait(person, "a person", style="sepia", num_steps=2)
    negative = find_style("sepia").style.negative_prompt
    [spelled] = studio.portrait(person, "a sepia photo of a person", negative_prompt=negative, num_steps=2)
    assert np.array_equal(styled.image, spelled.image)
    assert (styled.settings.style, styled.settings.prompt) == ("sepia", "a person")


def test_a_lora_dresses_the_base_for_one_call(studio: Studio, person: Identity, tmp_path: Path) -> None:
    def draw(**changes: Any) -> np.ndarray:
        return studio.portrait(person, "a person", num_steps=2, **changes)[0].image

    bare = draw()
    path = save(tmp_path / "lora.safetensors", lora_of(studio.pipeline))
    write(tmp_path, "own", 'title = "O"\nprompt = "{prompt}"\nlora = "lora.safetensors"\nlora_weight = 0.5')
    worn = draw(lora=path, lora_weight=0.5)
    assert (worn != bare).any()
    assert np.array_equal(draw(style="own", styles=tmp_path), worn)
    assert (draw(style="own", styles=tmp_path, lora_weight=1.0) != worn).any()
    assert np.array_equal(draw(), bare)


def test_a_lora_or_style_of_another_base_is_refused(studio: Studio, person: Identity, tmp_path: Path) -> None:
    tensors = {name.replace("down_blocks", "input_blocks"): one for name, one in lora_of(studio.pipeline).items()}
    path = save(tmp_path / "other.safetensors", tensors)
    with pytest.raises(AdapterError, match="made for another base: there is no 'input_blocks"):
        studio.portrait(person, "a person", lora=path)
    write(tmp_path, "large", 'title = "L"\nprompt = "{prompt}"\nbase = "sdxl"')
    with pytest.raises(ConfigError, match="the style 'large' is for sdxl, this base is miniature"):
        studio.portrait(person, "a person", style="large", styles=tmp_path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_command


def test_the_list(run: Run, tmp_path: Path) -> None:
    code, output, _ = run("styles")
    assert code == 0
    assert f"{len(style_files())} styles" in output
    [row] = [line for line in output.splitlines() if re.match(r"\s+watercolour ", line)]
    assert row.split() == ["watercolour", "medium", "Watercolour", "any", "limner", "yes"]
    write(tmp_path / "mine", "velvet", 'title = "Velvet"\nprompt = "{prompt}, in velvet"')
    code, output, _ = run("styles", "--styles", ".", "--theme", "mine")
    assert (code, "1 styles" in output, "velvet" in output, "watercolour" in output) == (0, True, True, False)
    code, _, errors = run("styles", "--theme", "none")
    assert (code, "no style has the theme 'none'" in errors) == (2, True)


def test_thumbnails_of_what_the_model_was_taught(run: Run, miniature_folder: Path) -> None:
    model = ("--model", str(miniature_folder), "--device", "cpu", "--steps", "1")
    code, output, _ = run("styles", "--theme", "medium", "--pictures", "looks", *model)
    assert code == 0
    drawn = {path.stem for path in Path("looks").glob("*.png")} - {"contact-sheet"}
    assert drawn == {one.name for one in all_styles() if one.theme == "medium" and one.style.miniature}
    total = len(list((PACKAGED / "medium").glob("*.toml")))
    assert f"{len(drawn)} of {total} styles drawn" in output
    assert run("styles", "--styles", ".", "--theme", "none", "--pictures", "x", *model)[0] == 2
    assert not Path("x").exists()


def test_a_portrait_in_a_style_needs_no_prompt(run: Run, miniature_folder: Path) -> None:
    model = ("--model", str(miniature_folder), "--device", "cpu", "--steps", "1", "--count", "1")
    assert run("portrait", "--style", "oil", *model)[0] == 0
    settings = json.loads(Path("out/portrait.json").read_text())["settings"]
    assert (settings["style"], settings["prompt"], settings["adapter_scale"]) == ("oil", "a person", 0.7)
    code, _, errors = run("portrait", "--style", "oyl", *model)
    assert (code, "did you mean 'oil'" in errors) == (2, True)
    code, _, errors = run("portrait", *model)
    assert (code, "the prompt is missing" in errors) == (2, True)
