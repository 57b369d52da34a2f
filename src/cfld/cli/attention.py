"""`cfld attention`: where each learned query looks in a source image, figure 7 of the paper.

cfld attention --source me.png --out attention.png
cfld attention --source a.png b.png c.png --blocks mean --out attention.jpg
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cfld.cli.generate import open_pipeline
from cfld.cli.output import check_output, save_images, settings_of


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Draw the attention maps of H_D's learned queries over source images, averaged over the heads.

    One row an image. Each map is stretched to its own range: no colour where the query looks least, red where most.
    """

    source: tuple[Path, ...]
    """Images of people, at least one."""
    out: Path
    """The PNG or JPEG to write; the settings are kept beside it, in a file of that name plus .json."""
    blocks: Literal["last", "mean"] = "last"
    """Which blocks of H_D: the last one, whose output is the prompt, or the mean of all."""
    model: str = "mannequin"
    """The bundled model, a model folder, or a hub id."""
    device: str | None = None
    """cpu, cuda, mps; by default what is there."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Weight dtype."""

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.inference.attention import attention_sheet

        check_output(self.out, self.source)
        if not self.source:
            raise ValueError("there is no source; give at least one image")
        images = [read_image(source) for source in self.source]
        pipe = open_pipeline(self.model, device=self.device, dtype=self.dtype)
        sheet = attention_sheet(pipe, images, self.blocks)
        save_images([sheet], self.out, settings_of(self))
        print(self.out)
