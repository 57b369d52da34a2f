"""The folder of a mannequin data set: DeepFashion's layout, and `mannequin.json` with the arguments that made it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from cfld.claims import Output
from cfld.data import deepfashion
from cfld.data.layout import Layout, Preparation, PrepareReport
from cfld.ranges import Identities, Poses, Seed, Side


@dataclass(frozen=True, kw_only=True)
class WriteMannequins(Preparation):
    """Render mannequins (procedural people) into a data set; needs no download."""

    out: Annotated[Path, Output()]
    """Folder to write, new, or begun with the same options. Repeat the command to complete an interrupted run."""
    identities: Identities = 100
    """Number of people; one fifth of them, at least one, are the test split."""
    poses: Poses = 8
    """Images of each person, from 2 to 99."""
    seed: Seed = 0
    """Random seed of the people and their poses."""
    size: tuple[Side, Side] = (256, 176)
    """Height and width of the images, in the aspect ratio 256:176."""

    def prepare(self) -> PrepareReport:
        from cfld.mannequin.dataset import write_mannequin

        return write_mannequin(self.out, identities=self.identities, poses=self.poses, seed=self.seed, size=self.size)


LAYOUT: Final[Layout] = replace(deepfashion.LAYOUT, marker="mannequin.json", downloaded=None, prepare=WriteMannequins)
