"""Opens this folder in plain diffusers, where the package cfld is installed:

DiffusionPipeline.from_pretrained(folder, custom_pipeline=folder, trust_remote_code=True)
"""

from cfld import CFLDPipeline

__all__ = ["CFLDPipeline"]
