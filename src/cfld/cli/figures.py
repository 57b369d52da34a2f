"""`cfld figures`: figures like the paper's 3, 5, 6 and 7, of mannequins.

cfld figures --out docs/figures
cfld figures --model runs/mannequin/model --steps 20 --seed 3 --out outputs/figures
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cfld.claims import Output
from cfld.cli.options import GenerationOptions
from cfld.cli.output import settings_of
from cfld.files import save_json


@dataclass(frozen=True, kw_only=True)
class Figures(GenerationOptions):
    """Make figures like the paper's 3, 5, 6 and 7, of mannequins that the models were not trained on.

    figure3: results and ground truth. figure5: results without parts of the source conditioning. figure6a: style
    transfer. figure6b: style interpolation. figure7: attention maps of the learned queries. --seed also determines the
    people.
    """

    out: Annotated[Path, Output(entries=("figure*.jpg", "config.json"))]
    """Folder to write the figures to, JPEG files of at most 150 kB each; those of an earlier run are replaced."""

    def run(self) -> None:
        from cfld.reproduction.figures import FIGURES, save_small

        if self.sampling.seed < 0:
            raise ValueError(f"--seed also determines the people and must not be negative, got {self.sampling.seed}")
        pipe = self.open_pipeline()
        pipe.set_progress_bar_config(disable=True)
        for name, figure in FIGURES.items():
            save_small(figure(pipe, self.sampling), self.out / f"{name}.jpg")
            print(self.out / f"{name}.jpg")
        save_json(settings_of(self), self.out / "config.json")
