"""Nodes that write pictures which say what they are, and that read what a picture says."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from limner.apps.comfyui.person_nodes import CATEGORY
from limner.apps.comfyui.places import folders, input_pictures, pictures_of

if TYPE_CHECKING:
    from torch import Tensor

DRAWN, CHANGED = "drawn by a model", "a photo that a model changed"


class SaveMarked:
    """PNG files with a signed manifest and a watermark; ComfyUI's own node writes neither."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ()
    FUNCTION = "save"
    OUTPUT_NODE = True
    DESCRIPTION = "Saves pictures with a signed manifest and a watermark. The graph is not written into them."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "images": ("IMAGE", {}),
                "filename_prefix": ("STRING", {"default": "limner"}),
                "made": ([DRAWN, CHANGED], {}),
                "model_name": ("STRING", {"default": "", "tooltip": "What everybody may know of the model."}),
            }
        }

    def save(self, images: "Tensor", filename_prefix: str, made: str, model_name: str) -> dict[str, Any]:
        from limner.trust import Making, save_picture

        pictures = pictures_of(images)
        height, width = pictures[0].shape[:2]
        paths = folders()
        folder, name, counter, subfolder, _ = paths.get_save_image_path(
            filename_prefix, paths.get_output_directory(), width, height
        )
        making = Making(kind="created" if made == DRAWN else "composite", model=model_name or "a model in ComfyUI")
        written = []
        for number, picture in enumerate(pictures, start=counter):
            file = f"{name}_{number:05}_.png"
            save_picture(Path(folder) / file, picture, making)
            written.append({"filename": file, "subfolder": subfolder, "type": "output"})
        return {"ui": {"images": written}}


class CheckPicture:
    """What a file says about itself, and whether it is true."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("STRING", "STRING")
    RETURN_NAMES = ("status", "words")
    FUNCTION = "check"
    OUTPUT_NODE = True
    DESCRIPTION = "Reads manifest and watermark of an uploaded file: marked, unmarked or broken."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": (input_pictures(), {"image_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        """Part of the contract: True, or what is wrong."""
        return True if folders().exists_annotated_filepath(image) else f"there is no file {image} in the input folder"

    @classmethod
    def IS_CHANGED(cls, image: str) -> float:
        """Part of the contract: a value that changes when the node must run again."""
        return Path(folders().get_annotated_filepath(image)).stat().st_mtime

    def check(self, image: str) -> dict[str, Any]:
        from limner.apps.verdict_words import verdict_lines
        from limner.trust.checking import check_picture

        verdict = check_picture(folders().get_annotated_filepath(image))
        lines = [
            *(f"problem: {told}" for told in verdict.problems),
            *(f"{n}: {told}" for n, told in verdict_lines(verdict)),
        ]
        words = "\n".join(lines)
        return {"ui": {"text": [verdict.status, words]}, "result": (verdict.status, words)}
