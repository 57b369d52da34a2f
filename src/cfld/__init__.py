"""Coarse-to-Fine Latent Diffusion for pose-guided person image synthesis."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfld.pipeline import CFLDPipeline

__version__ = "0.2.0"
__all__ = ["CFLDPipeline", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports the pipeline or a room, and torch with it, when it is first asked for: `cfld --help` stays quick."""
    if name == "CFLDPipeline":
        from cfld.pipeline import CFLDPipeline

        return CFLDPipeline
    if not name.startswith("_") and find_spec(f"cfld.{name}"):
        return importlib.import_module(f"cfld.{name}")
    raise AttributeError(f"module 'cfld' has no attribute {name!r}")
