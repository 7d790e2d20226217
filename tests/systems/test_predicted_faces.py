"""A predicted face is found where the recogniser looks for it."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.faces.alignment import align
from limner.systems.predicted_faces import face_grids, sampling_grid
from tests.data.examples import record
from tests.systems.tiny import predicted_faces, random

LANDMARKS = np.array([[52, 60], [84, 58], [69, 78], [56, 92], [83, 91]], np.float32)


def smooth(side: int) -> np.ndarray:
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    fine = F.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)
    return (fine[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def laid(picture: np.ndarray, grid: Tensor) -> np.ndarray:
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
    places = F.affine_grid(grid[None], [1, 3, 112, 112], align_corners=False)
    return F.grid_sample(pixels, places, align_corners=False)[0].permute(1, 2, 0).numpy()


def test_the_grid_lays_a_face_where_the_recogniser_looks_for_it() -> None:
    picture = smooth(128)
    aligned = align(picture, LANDMARKS).image
    assert np.abs(laid(picture, sampling_grid(LANDMARKS, (128, 128))) - aligned).max() < 3


def test_the_mirrored_picture_gives_the_same_face() -> None:
    whole = record(person="p")
    [pair] = face_grids([whole])
    plain, mirrored = laid(whole.image, pair[0]), laid(whole.image[:, ::-1], pair[1])
    assert np.abs(plain - mirrored).max() < 0.05
    assert np.ptp(plain) > 5


def test_faces_of_the_chosen_rows_come_decoded_and_laid() -> None:
    faces = predicted_faces()
    plan = {
        "record": torch.tensor([0, 1, 2]),
        "variant": torch.tensor([0, 0, 1]),
        "looked_at": torch.tensor([True, False, True]),
    }
    batch, latents = faces.load(plan), random(3, 32, 4, 4)
    rows = faces.rows(batch)
    assert rows.tolist() == [0, 2]
    seen = faces.faces(latents[rows], batch, rows)
    assert seen.shape == (2, 3, 112, 112)
    alone = {name: values[2:] for name, values in plan.items()}
    torch.testing.assert_close(seen[1], faces.faces(latents[2:], faces.load(alone), torch.tensor([0]))[0])


def test_the_share_of_rows_that_are_looked_at() -> None:
    drawn = predicted_faces(probability=0.25).draw(4_000, torch.Generator().manual_seed(0))["looked_at"]
    assert abs(drawn.float().mean().item() - 0.25) < 0.03
