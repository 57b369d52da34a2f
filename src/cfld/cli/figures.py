"""`cfld figures`: figures of the kind of the paper's 3, 5, 6 and 7, on mannequins.

cfld figures --out docs/figures
cfld figures --model runs/mannequin/model --steps 20 --seed 3 --out outputs/figures
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from cfld.cli.options import PipelineOptions
from cfld.cli.output import settings_of
from cfld.config.schema import SamplingConfig


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Draw what the paper's figures 3, 5, 6 and 7 show, with people that a mannequin model was not trained on.

    figure3: results and truth. figure5: parts of the source's conditioning switched off. figure6a: style transfer.
    figure6b: style interpolation. figure7: attention of the learned queries.
    """

    out: Path
    """The folder to write; each figure is a JPEG of at most 150 kB. What is there of them is replaced."""
    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How images are sampled; the seed draws the people too."""

    def run(self) -> None:
        from cfld.files import save_json
        from cfld.inputs import check_sampling
        from cfld.reproduction.figures import FIGURES, save_small

        check_sampling(**self.sampling.arguments())
        if self.sampling.seed < 0:
            raise ValueError(f"--seed draws people here and must not be negative, got {self.sampling.seed}")
        pipe = self.pipeline.open(self.sampling.scheduler)
        pipe.set_progress_bar_config(disable=True)
        self.out.mkdir(parents=True, exist_ok=True)
        for name, draw in FIGURES.items():
            save_small(draw(pipe, self.sampling), self.out / f"{name}.jpg")
            print(self.out / f"{name}.jpg")
        save_json(settings_of(self), self.out / "config.json")
