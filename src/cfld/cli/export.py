"""`cfld export`: a model as a repository of a model hub, with a model card.

cfld export --model models/cfld --hub hub/cfld-deepfashion --dtype float16 --license mit
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cfld.claims import Input, Output


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a model as a repository of a model hub: a folder that stock diffusers opens, with a model card."""

    model: Annotated[str, Input()] = "mannequin"
    """Name of a bundled model, model folder, or hub id."""
    hub: Annotated[Path, Output("whole folder")]
    """Folder to write; its name is the model's."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Dtype of the weights."""
    license: str | None = None
    """Identifier of the weights' licence, such as apache-2.0; None = the card names none."""

    def run(self) -> None:
        import torch

        from cfld.hub import export
        from cfld.pipeline import CFLDPipeline

        pipe = CFLDPipeline.from_pretrained(self.model, torch_dtype=getattr(torch, self.dtype))
        export(pipe, self.hub, self.license)
        print(f"{self.hub}: add to README.md what the model was trained on and what it scores, then upload the folder")
