"""`cfld evaluate`: figures for a model.

cfld evaluate mannequin-quality --model mannequin --identities 100 --poses 8 --seed 1
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from cfld.cli.generate import open_pipeline
from cfld.config.schema import SamplingConfig


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a model.

    mannequin-quality: on drawn people that it never saw: is it the right person, in the right pose?
    """

    what: Positional[Literal["mannequin-quality"]]
    """What to measure."""
    model: str = "mannequin"
    """The bundled model, a model folder, or a hub id."""
    identities: int = 100
    """How many people."""
    poses: int = 8
    """Pictures generated of each."""
    poses_compared: int = 20
    """Poses to tell apart."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How pictures are sampled."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        from cfld.evaluation.mannequin_quality import mannequin_quality

        pipe = open_pipeline(self.model, self.sampling.scheduler)
        pipe.set_progress_bar_config(disable=True)
        figures = asdict(mannequin_quality(pipe, self.sampling, self.identities, self.poses, self.poses_compared))
        if self.json:
            print(json.dumps(figures, indent=2))
            return
        for name, value in figures.items():
            print(f"{name:<20} {value:>10.3f}" if isinstance(value, float) else f"{name:<20} {value:>10}")
