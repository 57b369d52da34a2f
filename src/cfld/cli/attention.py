"""`cfld attention`: where in the source image each learned query attends, as in figure 7 of the paper.

cfld attention --source me.png --out attention.png
cfld attention --source a.png b.png c.png --blocks mean --out attention.jpg
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes

from cfld.claims import Output
from cfld.cli.options import PipelineOptions
from cfld.cli.output import SETTINGS, STILL, save_images, settings_of


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Plot the attention maps of the learned queries of H_D over source images, averaged over the heads.

    One row per image. Each map is scaled to its own range, from transparent (lowest attention) to red (highest).
    """

    source: tuple[Path, ...]
    """Images of people, at least one."""
    out: Annotated[Path, Output("file", (*STILL,), companions=SETTINGS)]
    """PNG or JPEG file to write. The settings are saved as FILE.json."""
    blocks: Literal["last", "mean"] = "last"
    """Blocks of H_D: the last one, whose output is the prompt, or the mean over all."""
    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.inference.attention import attention_sheet

        if not self.source:
            raise ValueError("--source is empty; give at least one image")
        images = [read_image(source) for source in self.source]
        sheet = attention_sheet(self.pipeline.open(), images, self.blocks)
        save_images([sheet], self.out, settings_of(self))
