"""The nodes, by ComfyUI's contract of version 1: classes with INPUT_TYPES, RETURN_TYPES, FUNCTION and CATEGORY."""

from limner.apps.comfyui.drawing_nodes import ApplyFace, TemplatePortrait
from limner.apps.comfyui.marking_nodes import CheckPicture, SaveMarked
from limner.apps.comfyui.person_nodes import LoadAdapter, LoadPerson, PersonFromPhotos, SavePerson

NODE_CLASS_MAPPINGS = {
    "LimnerLoadAdapter": LoadAdapter,
    "LimnerPersonFromPhotos": PersonFromPhotos,
    "LimnerSavePerson": SavePerson,
    "LimnerLoadPerson": LoadPerson,
    "LimnerApplyFace": ApplyFace,
    "LimnerTemplatePortrait": TemplatePortrait,
    "LimnerSaveMarked": SaveMarked,
    "LimnerCheckPicture": CheckPicture,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "LimnerLoadAdapter": "Load Face Adapter (Limner)",
    "LimnerPersonFromPhotos": "Identity Card from Photos (Limner)",
    "LimnerSavePerson": "Save Identity Card (Limner)",
    "LimnerLoadPerson": "Load Identity Card (Limner)",
    "LimnerApplyFace": "Apply Face, FACT (Limner)",
    "LimnerTemplatePortrait": "Person into Template (Limner)",
    "LimnerSaveMarked": "Save Picture with Marks (Limner)",
    "LimnerCheckPicture": "Check Picture (Limner)",
}
