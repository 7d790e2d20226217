"""People put into pictures: the right ones in the right places, and not one other pixel."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.apps.cli import main
from limner.apps.inpainting import Scene
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import AdapterError, ConfigError, FaceError, FaceIndexError, ImageError, NoFaceError
from limner.core.images import read_image, write_png
from limner.identity.identity import Identity
from tests.apps.tiny_models import SPACE, save_tiny_encoder, tiny_fact
from tests.contracts.pipelines import PIPELINES

EXAMPLE = asset_path("example/person.jpg")
STOCK = {kind.name: kind for kind in PIPELINES}


@pytest.fixture(scope="module")
def group() -> np.ndarray:
    """The example person twice, the right one smaller, on a wide picture of odd size."""
    photo = read_image(EXAMPLE)
    canvas = np.full((263, 517, 3), 96, np.uint8)
    canvas[:256, :256] = photo[::3, ::3]
    canvas[60:252, 300:492] = photo[::4, ::4]
    canvas.setflags(write=False)
    return canvas


@pytest.fixture(scope="module")
def other(person: Identity) -> Identity:
    """Somebody else."""
    features = person.features[SPACE]
    assert features.tokens is not None
    return replace(person, features={SPACE: replace(features, tokens=-3 * features.tokens)})


def changed(scene: Scene, picture: np.ndarray) -> np.ndarray:
    return (scene.image != picture).any(axis=2)


def test_one_person_changes_one_face_and_nothing_else(studio: Studio, person: Identity, group: np.ndarray) -> None:
    [scene] = studio.inpaint([person], group, num_steps=2, strength=1.0)
    assert scene.image.shape == group.shape
    assert np.array_equal(scene.image[~scene.region], group[~scene.region])
    assert changed(scene, group)[:, :256].sum() > 0.5 * scene.region.sum()
    assert not changed(scene, group)[:, 256:].any()  # the larger face is on the left
    assert len(scene.similarities) == 1
    assert (scene.settings.guidance_scale, scene.settings.region) == (2.0, "face")
    [right] = studio.inpaint([person], group, num_steps=2, assign=[1])
    assert not changed(right, group)[:, :256].any()
    assert changed(right, group)[:, 300:].any()


def test_the_head_is_more_than_the_face(studio: Studio, person: Identity, group: np.ndarray) -> None:
    face, head = (
        studio.inpaint([person], group, num_steps=1, strength=1.0, region=part)[0] for part in ("face", "head")
    )
    assert head.region.sum() > 1.3 * face.region.sum()
    assert np.array_equal(head.image[~head.region], group[~head.region])


def test_several_people_each_take_their_own_place(
    studio: Studio, person: Identity, other: Identity, group: np.ndarray
) -> None:
    def draw(people: list[Identity], **changes: Any) -> np.ndarray:
        dials = {"num_steps": 2, "strength": 1.0, "adapter_scale": 4.0, "glasses": "words"}
        return studio.inpaint(people, group, seed=3, **dials, **changes)[0].image

    both = draw([person, other])
    crossed = draw([person, other], assign=[1, 0])
    same = draw([other, person])
    assert np.abs(crossed.astype(int) - same).max() <= 1
    assert np.abs(both.astype(int) - same).max() > 3
    left = draw([person], assign=[0])
    assert np.abs(both[:, :256].astype(int) - left[:, :256]).max() <= 1  # in one pass as alone
    assert np.array_equal(left[:, 256:], group[:, 256:])


def test_seeds_count_and_progress(studio: Studio, person: Identity, group: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    first, second = studio.inpaint(
        [person, person], group, count=2, seed=5, num_steps=4, strength=0.5, progress=lambda *step: told.append(step)
    )
    assert (first.seed, second.seed) == (5, 6)
    assert told == [(1, 2), (2, 2)]  # half of the steps, all four faces side by side
    [again] = studio.inpaint([person, person], group, seed=6, num_steps=4, strength=0.5)
    assert np.abs(again.image.astype(int) - second.image).max() <= 1
    assert (first.image != second.image).any()


def test_scale_0_is_anybody_and_the_person_matters(
    studio: Studio, person: Identity, other: Identity, group: np.ndarray
) -> None:
    def draw(who: Identity, **changes: Any) -> np.ndarray:
        return studio.inpaint([who], group, num_steps=2, strength=1.0, **changes)[0].image

    assert np.array_equal(draw(person, adapter_scale=0), draw(other, adapter_scale=0))
    assert (draw(person) != draw(person, adapter_scale=0)).any()
    assert (draw(person, prompt="glasses") != draw(person)).any()


def test_a_mask_decides_what_changes(studio: Studio, person: Identity, group: np.ndarray) -> None:
    mask = np.zeros((*group.shape[:2], 3), np.uint8)
    mask[100:150, 110:150] = 255
    [scene] = studio.inpaint([person], group, num_steps=2, strength=1.0, mask=Image.fromarray(mask))
    assert np.array_equal(scene.region, mask[..., 0] > 0)
    assert changed(scene, group).any()
    assert np.array_equal(scene.image[mask[..., 0] == 0], group[mask[..., 0] == 0])


@pytest.mark.parametrize("crop", [(slice(None), slice(40, 200)), (slice(40, 190), slice(None))])
@pytest.mark.parametrize("factor", [0.25, 2.5])
def test_any_size_and_aspect(
    studio: Studio, person: Identity, group: np.ndarray, crop: tuple[slice, slice], factor: float
) -> None:
    small = Image.fromarray(group[crop])
    picture = np.asarray(small.resize((round(small.width * factor), round(small.height * factor))))
    [scene] = studio.inpaint([person], picture, num_steps=1, strength=1.0)
    assert changed(scene, picture).any()
    assert np.array_equal(scene.image[~scene.region], picture[~scene.region])


@pytest.fixture(params=["text-to-image", "sdxl"])
def stable_diffusion(request: pytest.FixtureRequest, tmp_path: Path) -> Studio:
    """A base whose inpainting pipeline diffusers has."""
    pipeline = STOCK[request.param].build()
    pipeline.save_pretrained(tmp_path / "base")
    tiny_fact(pipeline.unet).save(tmp_path / "adapter.safetensors")
    save_tiny_encoder(tmp_path / "encoder.safetensors")
    files = {"adapter": tmp_path / "adapter.safetensors", "encoder": tmp_path / "encoder.safetensors"}
    return Studio.open(tmp_path / "base", **files, device="cpu")


def test_stable_diffusion_goes_through_diffusers_own_inpainting(
    stable_diffusion: Studio, group: np.ndarray, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    person = stable_diffusion.identity(EXAMPLE)
    base: Any = stable_diffusion.pipeline
    before = (base.scheduler, dict(base.scheduler.config), dict(base.config), list(base.unet.state_dict()))
    monkeypatch.setattr("limner.apps.drawing.LatentBlend", lambda *_: pytest.fail("blended by ourselves"))
    capfd.readouterr()
    [scene] = stable_diffusion.inpaint([person], group, num_steps=3, strength=0.9)
    assert capfd.readouterr() == ("", "")
    assert changed(scene, group).any()
    assert np.array_equal(scene.image[~scene.region], group[~scene.region])
    assert (base.scheduler, dict(base.scheduler.config), dict(base.config), list(base.unet.state_dict())) == before


def test_what_cannot_be_done_is_refused(studio: Studio, person: Identity, group: np.ndarray) -> None:
    wall = np.full((200, 200, 3), 140, np.uint8)
    with pytest.raises(NoFaceError, match="the template shows nobody whose place could be taken"):
        studio.inpaint([person], wall)
    with pytest.raises(FaceError, match="3 people were given and the template has 2 faces"):
        studio.inpaint([person] * 3, group)
    with pytest.raises(FaceIndexError, match="numbered 0 to 1"):
        studio.inpaint([person], group, assign=[2])
    with pytest.raises(ConfigError, match="the mask is 10 x 10 pixels and the template 517 x 263"):
        studio.inpaint([person], group, mask=np.full((10, 10, 3), 255, np.uint8))
    with pytest.raises(ImageError, match="no such file"):
        studio.inpaint([person], "none.png")
    with pytest.raises(ConfigError, match=r"2 steps at strength 0\.1 leave no step"):
        studio.inpaint([person], group, num_steps=2, strength=0.1)
    wrong: list[dict[str, Any]] = [{"strength": 0}, {"strength": 1.5}, {"region": "hand"}, {"height": 64}]
    for changes in wrong:
        with pytest.raises(ConfigError, match=next(iter(changes))):
            studio.inpaint([person], group, **changes)
    with pytest.raises(FaceError, match="no person was given"):
        studio.inpaint([], group)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    miniature_folder: Path,
    group: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run ``limner inpaint`` on the tiny model and the group; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_png("scene.png", group)
    os.symlink(EXAMPLE, "me.jpg")

    def run_inpaint(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["inpaint", "--model", str(miniature_folder), "--device", "cpu", "--steps", "2", *arguments])
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_inpaint


def test_the_written_file_keeps_every_other_pixel(run: Run, group: np.ndarray, person: Identity) -> None:
    person.save("b.safetensors")
    faces = ("--face", "me.jpg", "--face", "b.safetensors")
    code, output, errors = run("--template", "scene.png", *faces, "--assign", "1,0", "--seed", "7", "-o", "new/out")
    assert (code, errors.strip()) == (0, "")
    assert "scene-7.png" in output
    assert sorted(path.name for path in Path("new/out").iterdir()) == ["inpaint.json", "scene-7.png"]
    written = read_image("new/out/scene-7.png")
    different = (written != group).any(axis=2)
    assert different[:, :256].any()
    assert different[:, 300:].any()
    assert not different[:, 258:300].any()
    assert not different[:20].any()
    record = json.loads(Path("new/out/inpaint.json").read_text())
    assert record["people"] == [["me.jpg"], ["b.safetensors"]]
    assert record["assign"] == [1, 0]
    assert record["settings"]["num_steps"] == 2
    assert record["pictures"][0]["file"] == "scene-7.png"
    assert len(record["pictures"][0]["identity_similarities"]) == 2
    assert {"miniature-base", "bisenetv2"} <= {entry["name"] for entry in record["licences"]}


def test_without_a_face_the_example_person_takes_the_chosen_place(run: Run, group: np.ndarray) -> None:
    code, _, errors = run("--template", "scene.png", "--person", "1")
    assert (code, "the packaged example person" in errors) == (0, True)
    assert np.array_equal(read_image("out/scene-0.png")[:, :256], group[:, :256])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--template", "none.png"], "none.png: there is no such file"),
        (["--template", "wall.png"], "wall.png shows nobody whose place could be taken"),
        (["--template", "scene.png", *["--face", "me.jpg"] * 3], "3 people were given and the template has 2 faces"),
        (["--template", "scene.png", "--mask", "wall.png"], "the mask is 200 x 200 pixels"),
        (["--template", "scene.png", "--person", "1", "--assign", "0"], "both given"),
        (["--template", "scene.png", "--assign", "left"], "'left' is no list of face numbers"),
        (["--template", "scene.png", "--person", "5"], "numbered 0 to 1"),
        (["--template", "scene.png", "--region", "hand"], "region = 'hand'"),
        (["--template", "scene.png", "--scheduler", "dmp"], "the sampler 'dmp' is unknown"),
        (["--template", "scene.png", "--block-scale", "down"], "write block=factor"),
        (["--template", "scene.png", "--block-scale", "nowhere=1"], "enters no block that begins with 'nowhere'"),
        (["--template", "scene.png", "--window", "0.5", "0.5"], "window"),
        (["--template", "scene.png", "--commercial"], "miniature-base <- random-face"),
    ],
)
def test_bad_requests_exit_with_2_and_write_nothing(run: Run, arguments: list[str], message: str) -> None:
    write_png("wall.png", np.full((200, 200, 3), 140, np.uint8))
    code, _, errors = run(*arguments)
    assert code == 2
    assert message in errors
    assert not Path("out").exists()


def test_a_model_without_an_adapter_is_refused(studio: Studio, person: Identity, group: np.ndarray) -> None:
    bare = Studio(replace(studio.assembly, adapter=None))
    with pytest.raises(AdapterError, match="has no face adapter"):
        bare.inpaint([person], group)
    assert len(bare.inpaint([person], group, adapter_scale=0, num_steps=1, strength=1.0)) == 1
