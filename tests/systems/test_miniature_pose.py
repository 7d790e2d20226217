"""Training of the pose ControlNet: lines that lie on their picture, a frozen base, a falling loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from limner.core.assets import asset_path
from limner.core.errors import InputError
from limner.core.images import read_image
from limner.data.captions import Traits
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.pose_control import PoseSizes, build_pose_control
from limner.faces.analysis import FaceAnalyzer
from limner.faces.conditions import LINES
from limner.faces.detection import select_face
from limner.systems.miniature_pose import NUM_SHOWN, MiniaturePose
from limner.systems.miniature_pose_data import PosedFaces, face_in, lines_of, meshes_of, mirrored, pose_faces
from tests.apps.tiny_models import tiny_miniature
from tests.data.examples import record
from tests.systems.tiny import seeded

LEFT_EYE, RIGHT_EYE = LINES[3][0], LINES[4][0]


def made_up(records: int = 5) -> PosedFaces:
    """Latents whose sign is that of the side the lines lie on: what can be learned from the lines alone."""
    rng = torch.Generator().manual_seed(0)
    side = torch.arange(records) % 2
    meshes = 0.25 + 0.2 * torch.rand(records, 2, 468, 2, generator=rng)
    meshes[..., 0] += 0.3 * side[:, None, None]
    latents = (2.0 * side - 1)[:, None, None, None, None].expand(records, 2, 32, 8, 8)
    return PosedFaces(latents.half().contiguous(), meshes.half(), [(Traits(gender="man"), Traits())] * records)


def task(faces: PosedFaces | None = None) -> MiniaturePose:
    miniature = tiny_miniature()
    pipeline = miniature.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    network = seeded(lambda: build_pose_control(miniature.unet, PoseSizes(embedding=(4, 8, 8, 8))))
    return MiniaturePose(
        network,
        StableDiffusionBackbone(pipeline),
        faces or made_up(),
        batch=4,
        weight="uniform",
        timestep_shift=3.0,
    )


def test_lines_lie_on_the_picture_and_on_its_mirror_image() -> None:
    photo = Image.fromarray(read_image(asset_path("example/person.jpg"))).resize((256, 256))
    image = np.array(photo.rotate(30, resample=Image.Resampling.BICUBIC))  # a head that leans, to one side each
    analyzer = FaceAnalyzer()
    face = select_face(analyzer.detect(image))
    other = mirrored(face, 256)
    assert other.landmarks[0, 0] < other.landmarks[1, 0]
    assert other.landmarks[3, 0] < other.landmarks[4, 0]
    np.testing.assert_allclose(mirrored(other, 256).landmarks, face.landmarks, atol=1e-3)
    np.testing.assert_allclose(mirrored(other, 256).box, face.box, atol=1e-3)
    plain, turned = meshes_of(image, face, analyzer)
    for eyes in (plain, turned):
        left, right = (eyes[list(eye)].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE))
        assert left[0] < right[0] - 0.05  # the image's left, in the mirror image, too
    for eye, opposite in ((LEFT_EYE, RIGHT_EYE), (RIGHT_EYE, LEFT_EYE)):
        reflected = plain[list(opposite)].mean(axis=0) * (-1, 1) + (1, 0)
        np.testing.assert_allclose(turned[list(eye)].mean(axis=0), reflected, atol=0.02)
    middle = (face.center[0] + 0.5) / image.shape[1], (face.center[1] + 0.5) / image.shape[0]
    np.testing.assert_allclose(plain.mean(axis=0), middle, atol=0.08)


def test_records_become_latents_and_meshes(tmp_path: Path) -> None:
    told: list[int] = []
    box = (60.0, 70.0, 136.0, 170.0)
    records = [record(0, face_box=box), record(1), record(2, face_box=box)]  # the second shows no face
    analyzer, autoencoder = FaceAnalyzer(), seeded(TinyFaceAutoencoder)
    assert face_in(records[1], analyzer) is None
    faces = pose_faces(records, autoencoder, analyzer, pixels=64, seed=1, progress=told.append)
    assert faces.latents.shape == (2, 2, 32, 8, 8)
    assert faces.meshes.shape == (2, 2, 468, 2)
    assert told == [2]
    faces.save(tmp_path / "pose.safetensors")
    again = PosedFaces.load(tmp_path / "pose.safetensors")
    assert torch.equal(again.meshes, faces.meshes)
    assert again.traits == faces.traits
    with pytest.raises(InputError, match="none of these records has a face"):
        pose_faces(records[1:2], autoencoder, analyzer, pixels=64, seed=1)


def test_lines_are_drawn_at_the_size_of_the_picture() -> None:
    lines = lines_of(made_up().meshes[:, 0], 64)
    assert (lines.shape, lines.dtype) == ((5, 3, 64, 64), torch.uint8)
    columns = lines.float().sum(dim=(1, 2)) @ torch.arange(64.0) / lines.float().sum(dim=(1, 2, 3))
    assert bool((columns[1::2] > columns[::2].max() + 10).all())


def test_only_the_network_is_trained_and_the_loss_falls() -> None:
    pose = task()
    before = {name: value.clone() for name, value in pose.backbone.pipeline.unet.state_dict().items()}
    fixed = pose.collate(pose.draw(0, torch.Generator().manual_seed(9)))
    optimizer = torch.optim.Adam(pose.module.parameters(), lr=3e-3)
    with torch.no_grad():
        first = float(pose.loss(fixed, 0)["denoising"])
    for step in range(45):
        batch = pose.collate(pose.draw(step, torch.Generator().manual_seed(step)))
        loss = pose.loss(batch, step)["denoising"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        last = float(pose.loss(fixed, 0)["denoising"])
        shuffled = dict(fixed, lines=fixed["lines"].flip(-1))
        mistaken = float(pose.loss(shuffled, 0)["denoising"])
    assert last < 0.9 * first
    assert last < mistaken - 0.004  # the lines are read, not only the mean learned; with diffusers' start it is 0
    assert all(part.grad is None for network in pose.frozen for part in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in pose.backbone.pipeline.unet.state_dict().items())


def test_a_plan_is_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    pose = task()
    plan = pose.draw(0, torch.Generator().manual_seed(3))
    batch, again = pose.collate(plan), pose.collate(plan)
    assert set(batch) == {"latents", "noise", "timesteps", "lines", "tokenizer"}
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    part = pose.collate({name: rows[2:] for name, rows in plan.items()})
    assert all(torch.equal(part[name], batch[name][2:]) for name in batch)


def test_a_look_shows_lines_beside_what_was_drawn() -> None:
    looked: Any = task().inspect()
    assert len(looked.pictures) == NUM_SHOWN
    assert {one.shape for one in looked.pictures} == {(64, 128, 3)}
