"""Nodes that show a person: to any loaded Stable Diffusion model, or in a template picture."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limner.apps.comfyui.person_nodes import ADAPTER, CATEGORY, PERSON
from limner.apps.comfyui.places import image_of, pictures_of

if TYPE_CHECKING:
    from torch import Tensor

    from limner.apps.face_adapter import FaceAdapter
    from limner.apps.studio import Studio
    from limner.identity.identity import Identity

DROPPED, SHARED = "no face", "the person"
SCALE = {
    "default": 0.8,
    "min": 0.0,
    "max": 2.0,
    "step": 0.05,
    "tooltip": "How strongly the person is kept; 0 not at all.",
}
SHARE = {"min": 0.0, "max": 1.0, "step": 0.01}
SEED = {"default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": True}


class ApplyFace:
    """FACT's attention in a loaded model, by ComfyUI's own patches."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "apply"
    DESCRIPTION = "The model as it was, with a person in its attention; for Stable Diffusion 1.5 and XL."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": ("MODEL", {}),
                "adapter": (ADAPTER, {}),
                "person": (PERSON, {}),
                "scale": ("FLOAT", SCALE),
                "start": ("FLOAT", {**SHARE, "default": 0.0, "tooltip": "Part of the run from which it acts."}),
                "end": ("FLOAT", {**SHARE, "default": 1.0, "tooltip": "Part of the run until which it acts."}),
                "unguided": ([DROPPED, SHARED], {"tooltip": "What the negative half of each step sees."}),
            }
        }

    def apply(
        self,
        model: Any,
        adapter: "FaceAdapter",
        person: "Identity",
        scale: float,
        start: float,
        end: float,
        unguided: str,
    ) -> tuple[Any]:
        from limner.apps.comfyui.attention import Showing, face_patch, require_blocks

        # A copy for each use: two models may compute in two precisions or on two devices.
        fact, features = adapter.shown_elsewhere(person)
        places = require_blocks(model.get_model_object("diffusion_model"), fact.adapter.sites)
        sampling = model.get_model_object("model_sampling")
        sigmas = float(sampling.percent_to_sigma(start)), float(sampling.percent_to_sigma(end))
        nulls = fact.null_tokens if unguided == DROPPED else None
        patched = model.clone()
        showing = Showing(fact.face_tokens(features), nulls, scale, sigmas)
        patched.set_model_patch(face_patch(fact.adapter, places, showing), "middle_patch")
        return (patched,)


class TemplatePortrait:
    """A person in the place of a template's largest face, drawn by a model that Limner opens itself."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("picture", "region")
    FUNCTION = "draw"
    DESCRIPTION = "Puts a person into a picture; every pixel outside the region stays as it was."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "template": ("IMAGE", {}),
                "adapter": (ADAPTER, {}),
                "person": (PERSON, {}),
                "prompt": ("STRING", {"default": "a photo of a person", "multiline": True}),
                "scale": ("FLOAT", SCALE),
                "strength": ("FLOAT", {**SHARE, "min": 0.01, "default": 0.6, "tooltip": "How much of the face goes."}),
                "steps": ("INT", {"default": 25, "min": 1, "max": 1000}),
                "seed": ("INT", SEED),
            }
        }

    def draw(
        self,
        template: "Tensor",
        adapter: "FaceAdapter",
        person: "Identity",
        prompt: str,
        scale: float,
        strength: float,
        steps: int,
        seed: int,
    ) -> tuple["Tensor", "Tensor"]:
        import torch

        studio = _studio(adapter.path, adapter.encoder_path)
        dials: dict[str, Any] = {"adapter_scale": scale, "strength": strength, "num_steps": steps, "seed": seed}
        scenes = [studio.inpaint([person], picture, prompt, **dials)[0] for picture in pictures_of(template)]
        regions = torch.stack([torch.from_numpy(scene.region).float() for scene in scenes])
        return image_of([scene.image for scene in scenes]), regions


@lru_cache(maxsize=1)
def _studio(adapter: Path, encoder: Path | None) -> "Studio":
    """The miniature, or the base in diffusers format in whose folder the adapter lies."""
    from limner.apps.bases import MINIATURE
    from limner.apps.studio import Studio
    from limner.core.assets import WEIGHTS

    whole = adapter.parent != WEIGHTS / MINIATURE and (adapter.parent / "model_index.json").is_file()
    return Studio.open(adapter.parent if whole else MINIATURE, adapter=adapter, encoder=encoder)
