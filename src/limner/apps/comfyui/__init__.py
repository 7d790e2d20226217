"""Limner's nodes for ComfyUI; ``integrations/comfyui`` is the folder that goes into ComfyUI's ``custom_nodes``.

ComfyUI's own packages are looked up where a node runs, so that importing this needs none of them.
"""

from limner.apps.comfyui.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
