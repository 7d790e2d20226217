import json

import numpy as np
import pytest
from safetensors import safe_open

from limner.core.errors import FaceError
from limner.faces.alignment import align
from limner.faces.masks import apply_mask, fact_network_input, head_mask, head_mask_of_parsing, largest_mask
from limner.faces.parsing import region_mask


def disc(size: int, center: tuple[int, int], radius: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return ((x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius**2).astype(np.uint8)


def test_hair_apart_from_the_head_is_dropped():
    face, hair = disc(200, (80, 100), 40), disc(200, (80, 60), 45) | disc(200, (170, 30), 12)
    mask = head_mask(face, hair, np.ones_like(face))
    assert mask[60, 80] == 1
    assert mask[100, 80] == 1
    assert mask[30, 170] == 0


def test_the_head_is_cut_at_the_person_but_the_face_never():
    face, hair = disc(200, (100, 110), 40), disc(200, (100, 60), 50)
    person = np.ones_like(face)
    person[:50] = 0
    person[140:] = 0
    mask = head_mask(face, hair, person)
    assert mask[:50].max() == 0
    assert (mask >= face).all()


def test_the_head_is_widened_with_the_face():
    face = disc(400, (200, 200), 150)
    side = int(np.sqrt(face.sum()) / 20)
    mask = head_mask(face, None, None)
    assert mask[200].sum() == face[200].sum() + side - 1


def test_holes_are_filled():
    face = disc(200, (100, 100), 60)
    face[80:90, 80:90] = 0
    assert head_mask(face, None, None)[80:90, 80:90].all()


def test_an_empty_face_is_refused():
    with pytest.raises(FaceError, match="face mask is empty"):
        head_mask(np.zeros((9, 9), np.uint8), None, None)


def test_the_largest_sure_instance_wins():
    masks = [disc(50, (10, 10), 4), disc(50, (30, 30), 9), disc(50, (20, 20), 15)]
    chosen = largest_mask(masks, ["Face", "Face", "Face"], [0.9, 0.81, 0.8], "Face")
    assert chosen is masks[1]
    assert largest_mask(masks, ["Face", "Face", "Face"], [0.9, 0.9, 0.9], "Hair") is None


def test_network_input_is_minus_one_where_the_mask_is(photo, face, analysis):
    mask = head_mask_of_parsing(analysis.parsing_map)
    assert (mask >= region_mask(analysis.parsing_map, "face")).all()
    values = fact_network_input(align(apply_mask(photo, mask), face.landmarks))
    outside = align(np.repeat(mask[..., None] * 255, 3, axis=2), face.landmarks).image[..., 0] == 0
    assert values.shape == (3, 112, 112)
    assert values.dtype == np.float32
    assert outside.any()
    assert (values[:, outside] == -1).all()
    assert values[:, 60, 56].min() > -0.5


@pytest.mark.shared
@pytest.mark.parametrize("case", ["one", "lowhair", "two", "split"])
def test_golden_preprocessing(shared, case):
    with safe_open(shared / "golden/fact/preprocess.safetensors", "np") as file:
        names = json.loads(file.metadata()["labels"])
        golden = {key.split(".")[1]: file.get_tensor(key) for key in sorted(file.keys()) if key.startswith(f"{case}.")}
    masks, scores = list(golden["masks"]), golden["mask_scores"].tolist()
    labels = [names[index] for index in golden["labels"]]
    face, hair, person = (largest_mask(masks, labels, scores, name) for name in ("Face", "Hair", "Human"))
    assert face is not None
    mask = head_mask(face, hair, person)
    np.testing.assert_array_equal(mask, golden["head_mask"])
    best = int(np.argmax(golden["det_scores"]))
    aligned = align(apply_mask(golden["image"], mask), golden["landmarks"][best])
    assert np.abs(aligned.image.astype(int) - golden["aligned"]).max() <= 1
    assert np.abs(fact_network_input(aligned) - golden["net_input"]).max() <= 2 / 255 + 1e-6
