"""Nodes for ComfyUI: link or copy this folder into `ComfyUI/custom_nodes` and install `cfld` beside ComfyUI."""

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
