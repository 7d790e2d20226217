"""Nodes that learn, keep and read people."""

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from limner.apps.comfyui.places import card_files, listed_file, model_files, new_card, pictures_of

if TYPE_CHECKING:
    from torch import Tensor

    from limner.apps.face_adapter import FaceAdapter
    from limner.identity.identity import Identity

CATEGORY = "Limner"
ADAPTER, PERSON = "LIMNER_ADAPTER", "LIMNER_PERSON"
PACKAGED = "packaged"
"""What ships with Limner: the miniature's adapter and encoder, which fit the miniature only."""


class LoadAdapter:
    """A face adapter with the encoder that it reads."""

    CATEGORY = CATEGORY
    RETURN_TYPES = (ADAPTER,)
    RETURN_NAMES = ("adapter",)
    FUNCTION = "load"
    DESCRIPTION = "A face adapter and the face encoder it was trained with, from models/limner."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        files = [PACKAGED, *model_files()]
        return {
            "required": {
                "adapter": (
                    files,
                    {"tooltip": "Made for the checkpoint you use; the packaged one fits the miniature."},
                ),
                "encoder": (files, {"tooltip": "The face encoder that this adapter was trained with."}),
            }
        }

    def load(self, adapter: str, encoder: str) -> tuple["FaceAdapter"]:
        from limner.apps.bases import MINIATURE
        from limner.apps.face_adapter import FaceAdapter

        path = MINIATURE if adapter == PACKAGED else listed_file(adapter)
        reader = None if encoder == PACKAGED else listed_file(encoder)
        return (FaceAdapter.from_pretrained(path, encoder=reader),)


class PersonFromPhotos:
    """Features of one person; the photos are not kept."""

    CATEGORY = CATEGORY
    RETURN_TYPES = (PERSON,)
    RETURN_NAMES = ("person",)
    FUNCTION = "learn"
    DESCRIPTION = "An identity card of one or several photos of one person."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "photos": ("IMAGE", {"tooltip": "All pictures of the batch show the same person."}),
                "adapter": (ADAPTER, {}),
                "face": (
                    "INT",
                    {"default": -1, "min": -1, "max": 1000, "tooltip": "0 is the leftmost, -1 the largest."},
                ),
            },
            "optional": {
                "consent_by": ("STRING", {"default": "", "tooltip": "Who agreed."}),
                "consent_for": ("STRING", {"default": "", "tooltip": "To what."}),
            },
        }

    def learn(
        self, photos: "Tensor", adapter: "FaceAdapter", face: int, consent_by: str = "", consent_for: str = ""
    ) -> tuple["Identity"]:
        from limner.core.consent import Consent

        person = adapter.identity(pictures_of(photos), face_index=None if face < 0 else face)
        if consent_by or consent_for:
            person = replace(person, consent=Consent(who=consent_by, purpose=consent_for, given=date.today()))
        return (person,)


class SavePerson:
    """Writes a card into models/limner."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ()
    FUNCTION = "save"
    OUTPUT_NODE = True
    DESCRIPTION = "Keeps an identity card: features of the face, never a photo."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"person": (PERSON, {}), "name": ("STRING", {"default": "me"})}}

    def save(self, person: "Identity", name: str) -> dict[str, Any]:
        path = new_card(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        person.save(path)
        return {"ui": {"text": [path.name]}}


class LoadPerson:
    """Reads a card from models/limner."""

    CATEGORY = CATEGORY
    RETURN_TYPES = (PERSON,)
    RETURN_NAMES = ("person",)
    FUNCTION = "load"
    DESCRIPTION = "An identity card that was made before, here or by `limner identity`."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"card": (card_files(), {})}}

    def load(self, card: str) -> tuple["Identity"]:
        from limner.identity.identity import Identity

        return (Identity.load(listed_file(card)),)
