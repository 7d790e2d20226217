"""The node pack against ComfyUI's published contract (see ``comfyui_stand_in.py``), and its example workflows."""

import copy
import importlib.util
import inspect
import json
import sys
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from limner.adapters.seam import find_sites
from limner.apps.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from limner.apps.comfyui.attention import place_of
from limner.apps.comfyui.drawing_nodes import DROPPED, SHARED, ApplyFace, TemplatePortrait
from limner.apps.comfyui.marking_nodes import CHANGED, CheckPicture, SaveMarked
from limner.apps.comfyui.person_nodes import PACKAGED, LoadAdapter, LoadPerson, PersonFromPhotos, SavePerson
from limner.apps.comfyui.places import image_of, pictures_of
from limner.apps.face_adapter import FaceAdapter
from limner.core.assets import asset_path
from limner.core.consent import Consent
from limner.core.errors import AdapterError, ConfigError, ConsentError, ImageError, MissingExtraError
from limner.core.images import read_image
from limner.identity.identity import Identity
from tests.apps.comfyui_stand_in import StandInPatcher, folder_paths
from tests.apps.tiny_models import save_tiny_encoder, tiny_fact
from tests.contracts.backbones import KINDS, TEXT_CHANNELS, run, sdxl

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "integrations" / "comfyui"
WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))


def two_layer_unet() -> UNet2DConditionModel:
    """Stable Diffusion's layout at a tiny size: two layers a block, as ComfyUI numbers them."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sample_size": 8,
        "layers_per_block": 2,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": TEXT_CHANNELS,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**settings).eval()


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return two_layer_unet()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, unet: UNet2DConditionModel) -> Path:
    """An adapter for that model and the encoder that it reads."""
    folder = tmp_path_factory.mktemp("models")
    tiny_fact(unet).save(folder / "fact.safetensors")
    save_tiny_encoder(folder / "transface.safetensors")
    return folder


@pytest.fixture(scope="module")
def adapter(models: Path) -> FaceAdapter:
    return FaceAdapter.from_pretrained(models / "fact.safetensors", encoder=models / "transface.safetensors")


@pytest.fixture(scope="module")
def person(adapter: FaceAdapter) -> Identity:
    return adapter.identity(asset_path("example/person.jpg"))


@pytest.fixture
def comfyui(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ComfyUI's folders, with a photo in the input folder and the models in models/limner."""
    (tmp_path / "models").mkdir()
    (tmp_path / "input").mkdir()
    (tmp_path / "models" / "limner").symlink_to(models)
    (tmp_path / "input" / "me.jpg").write_bytes(asset_path("example/person.jpg").read_bytes())
    monkeypatch.setitem(sys.modules, "folder_paths", folder_paths(tmp_path))
    return tmp_path


# The contract


@pytest.mark.usefixtures("comfyui")
@pytest.mark.parametrize("name", NODE_CLASS_MAPPINGS)
def test_a_node_has_what_comfyui_reads(name: str) -> None:
    node = NODE_CLASS_MAPPINGS[name]
    told = node.INPUT_TYPES()
    assert set(told) <= {"required", "optional", "hidden"}
    fields = [(field, one) for group in ("required", "optional") for field, one in told.get(group, {}).items()]
    for field, (kind, options) in fields:
        assert isinstance(kind, str | list), field
        assert isinstance(options, dict), field
        if kind in ("INT", "FLOAT"):
            assert options["min"] <= options["default"] <= options["max"], field
    assert all(isinstance(kind, str) for kind in node.RETURN_TYPES)
    assert len(getattr(node, "RETURN_NAMES", node.RETURN_TYPES)) == len(node.RETURN_TYPES)
    assert node.RETURN_TYPES or node.OUTPUT_NODE
    assert node.CATEGORY == "Limner"
    parameters = inspect.signature(getattr(node, node.FUNCTION)).parameters
    assert [one for one in parameters if one != "self"] == [field for field, _ in fields]
    for field in told.get("optional", {}):
        assert parameters[field].default is not inspect.Parameter.empty
    assert name in NODE_DISPLAY_NAME_MAPPINGS


def test_the_pack_is_loaded_as_comfyui_loads_a_folder() -> None:
    spec = importlib.util.spec_from_file_location("limner_pack", PACK / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.NODE_CLASS_MAPPINGS is NODE_CLASS_MAPPINGS


def test_the_metadata_is_what_the_registry_asks_for() -> None:
    told = tomllib.loads((PACK / "pyproject.toml").read_text(encoding="utf-8"))
    assert told["project"]["name"].isascii()
    assert "comfyui" not in told["project"]["name"].lower()
    assert told["project"]["version"].count(".") == 2
    assert told["project"]["dependencies"] == (PACK / "requirements.txt").read_text().split()
    assert set(told["project"]["license"]) == {"text"}
    assert {"PublisherId", "DisplayName"} <= set(told["tool"]["comfy"])


def test_outside_comfyui_the_nodes_say_so() -> None:
    with pytest.raises(MissingExtraError, match="inside ComfyUI"):
        LoadAdapter.INPUT_TYPES()


# Where FACT enters ComfyUI's model


def sd_unet(**changes: Any) -> UNet2DConditionModel:
    settings: dict[str, Any] = {"block_out_channels": (32, 64, 64, 64), "attention_head_dim": 8, "norm_num_groups": 8}
    with torch.device("meta"):
        return UNet2DConditionModel(**{**settings, "cross_attention_dim": 16, **changes})


def test_the_blocks_of_stable_diffusion_have_comfyuis_names() -> None:
    places = [place_of(site.name)[:2] for site in find_sites(sd_unet())]
    inputs = [("input", number) for number in (1, 2, 4, 5, 7, 8)]
    outputs = [("output", number) for number in range(3, 12)]
    assert sorted(places) == sorted([*inputs, ("middle", 0), *outputs])


def test_the_blocks_of_xl_have_comfyuis_names() -> None:
    xl = sd_unet(
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
    )
    places = [place_of(site.name) for site in find_sites(xl)]
    assert len(set(places)) == len(places) == 2 * 2 + 10 * 2 + 10 + 10 * 3 + 2 * 3
    assert {place[:2] for place in places} == {
        *(("input", number) for number in (4, 5, 7, 8)),
        ("middle", 0),
        *(("output", number) for number in range(6)),
    }
    with pytest.raises(AdapterError, match="no block of Stable Diffusion"):
        place_of("transformer_blocks.0")


def test_the_names_are_those_of_diffusers_own_converter() -> None:
    """An independent witness: diffusers turns files in ComfyUI's layout into its own."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    unet = sd_unet()
    keys = {place_of(site.name): site.name for site in find_sites(unet)}
    lists = {"input": "input_blocks.{}.1", "middle": "middle_block.1", "output": "output_blocks.{}.1"}
    prefix = "model.diffusion_model."
    theirs = {f"{prefix}{name}": torch.empty(0) for name in _ldm_frame()}
    for number, (kind, block, inner) in enumerate(keys):
        name = f"{prefix}{lists[kind].format(block)}.transformer_blocks.{inner}.norm2.weight"
        theirs[name] = torch.full((1,), float(number))
    converted = convert_ldm_unet_checkpoint(theirs, {**unet.config, "class_embed_type": None})
    for number, path in enumerate(keys.values()):
        assert float(converted[f"{path}.norm2.weight"]) == number


def _ldm_frame() -> list[str]:
    """Keys without which diffusers' converter does not know how many blocks there are."""
    frame = [f"time_embed.{n}.{part}" for n in (0, 2) for part in ("weight", "bias")]
    frame += ["input_blocks.0.0.weight", "input_blocks.0.0.bias", "out.0.weight", "out.0.bias"]
    frame += ["out.2.weight", "out.2.bias"]
    frame += [f"input_blocks.{n}.0.{'op' if n % 3 == 0 else 'in_layers.0'}.weight" for n in range(1, 12)]
    frame += [f"input_blocks.{n}.0.op.bias" for n in (3, 6, 9)]
    frame += [f"middle_block.{n}.in_layers.0.weight" for n in (0, 2)] + ["middle_block.1.norm.weight"]
    return frame + [f"output_blocks.{n}.0.in_layers.0.weight" for n in range(12)]


def patched(unet: Any, adapter: FaceAdapter, person: Identity, **changes: Any) -> tuple[StandInPatcher, StandInPatcher]:
    model = StandInPatcher(unet)
    given: dict[str, Any] = {"scale": 0.8, "start": 0.0, "end": 1.0, "unguided": DROPPED, **changes}
    [after] = ApplyFace().apply(model, adapter, person, **given)
    return model, after


@pytest.mark.parametrize("unguided", [DROPPED, SHARED])
def test_the_patch_gives_what_the_adapter_gives_in_diffusers(
    unet: UNet2DConditionModel, adapter: FaceAdapter, person: Identity, unguided: str
) -> None:
    inputs = KINDS[0].inputs(4)
    bare, model = patched(unet, adapter, person, unguided=unguided)
    guidance: Any = "dropped" if unguided == DROPPED else "shared"
    with torch.no_grad(), adapter.injected(unet), adapter.conditioned(person, face_guidance=guidance, guided=True):
        expected = run(unet, inputs)
    torch.testing.assert_close(model.run(inputs, [1, 0]), expected, atol=2e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(bare.run(inputs, [1, 0]), run(unet, inputs), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(bare.run(inputs, [1, 0]), expected, atol=1e-3)


def test_rows_are_told_by_comfyui_and_not_by_their_place(
    unet: UNet2DConditionModel, adapter: FaceAdapter, person: Identity
) -> None:
    inputs = KINDS[0].inputs(2)
    _, model = patched(unet, adapter, person)
    one_way, other_way = model.run(inputs, [1, 0]), model.run(inputs, [0, 1])
    alone = [model.run({k: v[[row]] for k, v in inputs.items()}, [kind]) for row, kind in ((0, 1), (1, 0))]
    torch.testing.assert_close(one_way, torch.cat(alone), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(one_way, other_way, atol=1e-3)


def test_the_model_that_was_given_stays_as_it_was(
    unet: UNet2DConditionModel, adapter: FaceAdapter, person: Identity
) -> None:
    inputs = KINDS[0].inputs(2)
    before, after = patched(unet, adapter, person)
    assert "patches" not in before.model_options["transformer_options"]
    [patch] = after.model_options["transformer_options"]["patches"]["middle_patch"]
    again = copy.deepcopy(after.model_options)["transformer_options"]["patches"]["middle_patch"]
    assert again == [patch]  # a copy shares the weights, it does not double them
    _, still = patched(unet, adapter, person, scale=0.0)
    assert torch.equal(still.run(inputs, [1, 0]), before.run(inputs, [1, 0]))


def test_the_window_follows_the_noise(unet: UNet2DConditionModel, adapter: FaceAdapter, person: Identity) -> None:
    inputs = KINDS[0].inputs(2)
    bare, model = patched(unet, adapter, person, start=0.2, end=0.6)  # noise 8 down to 4
    plain = bare.run(inputs, [1, 0])
    acts = [not torch.equal(model.run(inputs, [1, 0], sigma), plain) for sigma in (9.0, 8.0, 5.0, 4.0, 1.0)]
    assert acts == [False, True, True, False, False]


def test_two_precisions_do_not_disturb_each_other(
    unet: UNet2DConditionModel, adapter: FaceAdapter, person: Identity
) -> None:
    inputs = KINDS[0].inputs(2)
    half = {name: value.bfloat16() if value.is_floating_point() else value for name, value in inputs.items()}
    _, model = patched(unet, adapter, person)
    _, low = patched(two_layer_unet().bfloat16(), adapter, person)
    first = model.run(inputs, [1, 0])
    assert low.run(half, [1, 0]).dtype == torch.bfloat16
    assert torch.equal(model.run(inputs, [1, 0]), first)


def test_models_and_people_that_do_not_fit_are_refused(
    unet: UNet2DConditionModel, adapter: FaceAdapter, person: Identity
) -> None:
    with pytest.raises(AdapterError, match=r"16 channels there|no such block|8 channels in"):
        patched(sdxl(), adapter, person)
    over = replace(person, consent=Consent(purpose="a calendar", given=date(2020, 1, 1), until=date(2020, 2, 1)))
    with pytest.raises(ConsentError):
        patched(unet, adapter, over)


# People, templates, marks


def photo() -> torch.Tensor:
    return image_of([read_image(asset_path("example/person.jpg"))])


def test_pictures_come_and_go_as_comfyui_has_them() -> None:
    picture = read_image(asset_path("example/person.jpg"))
    image = image_of([picture, picture])
    assert image.shape == (2, *picture.shape)
    assert image.dtype == torch.float32
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    assert all((one == picture).all() for one in pictures_of(image))
    assert pictures_of(torch.full((1, 2, 2, 4), 1.7))[0].tolist() == [[[255] * 3] * 2] * 2
    with pytest.raises(ImageError, match="expected"):
        pictures_of(torch.zeros(3, 8, 8))


def test_a_person_is_learnt_kept_and_read(comfyui: Path) -> None:
    choices = LoadAdapter.INPUT_TYPES()["required"]["adapter"][0]
    assert choices == [PACKAGED, "fact.safetensors", "transface.safetensors"]
    [found] = LoadAdapter().load("fact.safetensors", "transface.safetensors")
    [person] = PersonFromPhotos().learn(photo(), found, -1, "me", "my own portraits")
    assert person.consent is not None
    assert person.consent.who == "me"
    SavePerson().save(person, "me at home")
    assert LoadPerson.INPUT_TYPES()["required"]["card"][0] == ["me at home.identity.safetensors"]
    [again] = LoadPerson().load("me at home.identity.safetensors")
    one, other = (someone.features_in(found.feature_space).embedding for someone in (again, person))
    assert torch.equal(one, other)
    (comfyui / "models" / "limner" / "me at home.identity.safetensors").unlink()


@pytest.mark.usefixtures("comfyui")
@pytest.mark.parametrize("name", ["../../me", "/etc/me", "", ".hidden", "a" * 65, "a/b"])
def test_names_of_cards_are_no_paths(name: str, person: Identity) -> None:
    with pytest.raises(ConfigError, match="cannot be a card's name"):
        SavePerson().save(person, name)
    with pytest.raises(ConfigError, match="choose one from the list"):
        LoadPerson().load(name)


def test_a_template_is_drawn_saved_and_checked(comfyui: Path, miniature_folder: Path) -> None:
    found = FaceAdapter.from_pretrained(miniature_folder)
    [person] = PersonFromPhotos().learn(photo(), found, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("limner.apps.bases.WEIGHTS", comfyui)
        (comfyui / "miniature").symlink_to(miniature_folder)
        told: dict[str, Any] = {"scale": 0.8, "strength": 0.6, "steps": 2, "seed": 7}
        picture, region = TemplatePortrait().draw(photo(), found, person, "a photo of a person", **told)
    assert picture.shape == photo().shape
    assert region.shape == picture.shape[:3]
    assert torch.equal(picture[region == 0], photo()[region == 0])
    assert not torch.equal(picture, photo())
    [saved] = SaveMarked().save(picture, "limner/template", CHANGED, "the miniature")["ui"]["images"]
    assert saved == {"filename": "template_00001_.png", "subfolder": "limner", "type": "output"}
    (comfyui / "input" / "saved.png").write_bytes((comfyui / "output" / "limner" / saved["filename"]).read_bytes())
    assert CheckPicture.INPUT_TYPES()["required"]["image"][0] == ["me.jpg", "saved.png"]
    assert CheckPicture.VALIDATE_INPUTS("saved.png") is True
    assert "no file" in str(CheckPicture.VALIDATE_INPUTS("none.png"))
    status, words = CheckPicture().check("saved.png")["result"]
    assert (status, "pictures joined or changed by a model" in words) == ("marked", True)
    assert CheckPicture().check("me.jpg")["result"][0] == "unmarked"


# The example workflows

STOCK: dict[str, tuple[dict[str, str], tuple[str, ...], int]] = {
    "CheckpointLoaderSimple": ({}, ("MODEL", "CLIP", "VAE"), 1),
    "LoadImage": ({}, ("IMAGE", "MASK"), 2),
    "CLIPTextEncode": ({"clip": "CLIP"}, ("CONDITIONING",), 1),
    "EmptyLatentImage": ({}, ("LATENT",), 3),
    "KSampler": (
        {"model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING", "latent_image": "LATENT"},
        ("LATENT",),
        7,
    ),
    "VAEDecode": ({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",), 0),
}
"""ComfyUI's own nodes: sockets in, types out, number of widgets (a seed has two, an upload has a button)."""
WIDGETS = {"INT": int, "FLOAT": int | float, "STRING": str}


def fields_of(name: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    told = NODE_CLASS_MAPPINGS[name].INPUT_TYPES()
    return {**told["required"], **told.get("optional", {})}


def check_widgets(name: str, values: list[Any]) -> None:
    left = list(values)
    for field, (kind, options) in fields_of(name).items():
        if isinstance(kind, str) and kind not in WIDGETS:
            continue
        value = left.pop(0)
        if isinstance(kind, list):
            # Files differ from computer to computer; words do not.
            assert value in kind or value.rpartition(".")[2] in ("safetensors", "jpg"), (name, field)
        else:
            assert isinstance(value, WIDGETS[kind]), (name, field)
            assert kind == "STRING" or options["min"] <= value <= options["max"], (name, field)
        if options.get("control_after_generate"):
            assert left.pop(0) == "fixed"
        if options.get("image_upload"):
            assert left.pop(0) == "image"
    assert left == [], name


@pytest.mark.usefixtures("comfyui")
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_fits_the_nodes(path: Path) -> None:
    graph = json.loads(path.read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in nodes.values():
        name = node["type"]
        if name in STOCK:
            sockets, outputs, widgets = STOCK[name]
            assert len(node["widgets_values"]) == widgets, name
        else:
            wanted = fields_of(name)
            sockets = {
                field: kind for field, (kind, _) in wanted.items() if isinstance(kind, str) and kind not in WIDGETS
            }
            outputs = NODE_CLASS_MAPPINGS[name].RETURN_TYPES
            check_widgets(name, node["widgets_values"])
        assert {one["name"]: one["type"] for one in node["inputs"]} == sockets
        assert [one["type"] for one in node["outputs"]] == list(outputs)
        assert all(one["link"] is not None for one in node["inputs"]), name
    for number, source, slot, target, place, kind in graph["links"]:
        assert nodes[source]["outputs"][slot]["type"] == kind == nodes[target]["inputs"][place]["type"]
        assert number in nodes[source]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][place]["link"] == number
    assert (graph["last_node_id"], graph["last_link_id"]) == (len(nodes), len(graph["links"]))


def test_the_two_workflows_use_every_node_but_the_reader_of_cards() -> None:
    assert len(WORKFLOWS) == 2
    used = {node["type"] for path in WORKFLOWS for node in json.loads(path.read_text())["nodes"]}
    assert set(NODE_CLASS_MAPPINGS) - used == {"LimnerLoadPerson"}
