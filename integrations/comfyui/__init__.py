"""Limner's nodes for ComfyUI: put this folder into ``custom_nodes``; see docs/howto-comfyui.md."""

from limner.apps.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
