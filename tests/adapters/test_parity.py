"""The adapted UNet, guided sampling and ControlNet against the reference's numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from torch import Tensor

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.foreign import LAYERS, from_released
from limner.adapters.memory import FaceMemory
from limner.adapters.sparse import Sparse
from tests.golden import fill_input, fill_tensor, load_golden, weights_of

pytestmark = pytest.mark.shared


def tiny(shared: Path) -> tuple[dict[str, Tensor], UNet2DConditionModel, GatedFaceAdapter]:
    tensors, metadata = load_golden(shared, "unet_tiny")
    unet = UNet2DConditionModel(**metadata["unet_config"]).eval()
    unet.load_state_dict(weights_of(tensors, "w.unet."))
    adapter = GatedFaceAdapter.for_backbone(unet, face_channels=24).eval()
    translated = from_released(weights_of(tensors, "w.adapter."))
    adapter.load_state_dict({f"layers.{k.removeprefix(LAYERS)}": v for k, v in translated.items()})
    assert len(adapter.sites) == metadata["num_adapters"] == 16
    return tensors, unet, adapter


@torch.no_grad()
def test_the_adapted_unet_equals_the_reference(shared: Path) -> None:
    tensors, unet, adapter = tiny(shared)

    def predict() -> Tensor:
        return unet(tensors["latents"], tensors["timesteps"], tensors["text"]).sample

    base = predict()
    cases: dict[str, tuple[float, list[str]]] = {
        "out.scale0.0": (0.0, ["face"]),
        "out.scale0.5": (0.5, ["face"]),
        "out.scale1.0": (1.0, ["face"]),
        "out.scale1.0.null_face": (1.0, ["null_face"]),
        "out.scale1.0.two_faces": (1.0, ["face", "face2"]),
    }
    torch.testing.assert_close(base, tensors["out.base_no_adapter"], atol=1e-4, rtol=0)
    with adapter.injected(unet):
        for key, (scale, names) in cases.items():
            with adapter.conditioned(torch.cat([tensors[name] for name in names], dim=1), scale=scale):
                torch.testing.assert_close(predict(), tensors[key], atol=1e-4, rtol=0)
                assert torch.equal(predict(), base) == (scale == 0)
    assert torch.equal(predict(), base)


RUNS: dict[str, tuple[Any, float, float, bool]] = {
    "pndm10_g7_s0.5_cfgface": (PNDMScheduler, 7.0, 0.5, True),
    "pndm10_g5_s1_nocfgface": (PNDMScheduler, 5.0, 1.0, False),
    "ddim10_g5_s0.5_cfgface": (DDIMScheduler, 5.0, 0.5, True),
}


PATHS: dict[str, Callable[[], dict[str, Any]]] = {
    "exact": dict,
    "remembered": lambda: {"memory": FaceMemory()},
    "sparse with all positions": lambda: {"sparse": Sparse(share=1.0, start=0.0)},
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("path", PATHS)
@torch.no_grad()
def test_guided_sampling_equals_the_reference(shared: Path, name: str, path: str) -> None:
    _, unet, adapter = tiny(shared)
    tensors, metadata = load_golden(shared, "denoise_tiny")
    scheduler_class, guidance, scale, dropped = RUNS[name]
    settings = dict(metadata["scheduler"])
    if scheduler_class is DDIMScheduler:
        settings.pop("skip_prk_steps")
        settings["clip_sample"] = False  # as in every Stable Diffusion folder
    scheduler: Any = scheduler_class(**settings)
    scheduler.set_timesteps(10)
    assert scheduler.timesteps.tolist() == tensors[f"{name}.timesteps"].tolist()
    latents = tensors["in.noise"]
    text = torch.cat([tensors["in.text_neg"], tensors["in.text_pos"]])
    trajectory = [latents]
    nulls = tensors["in.null_face"] if dropped else None
    options = PATHS[path]()
    with adapter.conditioned(tensors["in.face"], nulls, **options):
        pass  # what can be remembered is
    with adapter.injected(unet), adapter.conditioned(tensors["in.face"], nulls, scale=scale, **options):
        for timestep in scheduler.timesteps:
            unconditional, conditional = unet(torch.cat([latents] * 2), timestep, text).sample.chunk(2)
            noise = unconditional + guidance * (conditional - unconditional)
            latents = scheduler.step(noise, timestep, latents, return_dict=False)[0]
            trajectory.append(latents)
    torch.testing.assert_close(torch.cat(trajectory), tensors[f"{name}.trajectory"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_controlnet_beside_the_adapter_equals_the_reference(shared: Path) -> None:
    tensors, unet, adapter = tiny(shared)
    golden, metadata = load_golden(shared, "controlnet_tiny")
    controlnet = ControlNetModel(**metadata["config"]).eval()
    state = controlnet.state_dict()
    controlnet.load_state_dict({k: fill_tensor(f"controlnet.{k}", tuple(v.shape)) for k, v in state.items()})
    condition = 0.5 + 0.5 * fill_input("controlnet_tiny.cond", (2, 3, 128, 128))
    with adapter.injected(unet), adapter.conditioned(tensors["face"], scale=0.5):
        down, middle = controlnet(
            tensors["latents"],
            tensors["timesteps"],
            tensors["text"],
            condition,
            conditioning_scale=0.8,
            return_dict=False,
        )
        out = unet(
            tensors["latents"],
            tensors["timesteps"],
            tensors["text"],
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
    for index, residual in enumerate(down):
        torch.testing.assert_close(residual, golden[f"down_residual.{index}"], atol=1e-4, rtol=0)
    torch.testing.assert_close(middle, golden["mid_residual"], atol=1e-4, rtol=0)
    torch.testing.assert_close(out, golden["out.scale0.5"], atol=1e-4, rtol=0)
