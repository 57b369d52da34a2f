"""Coarse-to-Fine Latent Diffusion for pose-guided person image synthesis (Lu et al., CVPR 2024).

The paper:    models (H_S, H_D, H_A, H_P, H_N), diffusion (eq. 7, sampling), poses, data, metrics, config, ablations;
              pipeline, types, build, convert, inputs, files, registry
The product:  training, inference, evaluation, mannequin, reproduction, web, app, study, cli

Imports go from the product to the paper, never back; docs/architecture.md has the map.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfld.pipeline import CFLDPipeline

__version__ = "0.2.0"
__all__ = ["CFLDPipeline", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports the pipeline or a subpackage on first access, so that `cfld --help` does not import torch."""
    if name == "CFLDPipeline":
        from cfld.pipeline import CFLDPipeline

        return CFLDPipeline
    if not name.startswith("_") and find_spec(f"cfld.{name}"):
        return importlib.import_module(f"cfld.{name}")
    raise AttributeError(f"module 'cfld' has no attribute {name!r}")
