"""`cfld augment`: more training images for re-identification, people of the data set in further poses.

cfld augment --data Market-1501-v15.09.15 --annotations market-annotation-train.csv --model MODEL --out data/augmented
cfld augment --data DukeMTMC-reID --poses seeds --per-identity 8 --min-similarity 0.8 --model MODEL --out data/augmented
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cfld.claims import Output
from cfld.cli.options import Annotations, GenerationOptions, Json
from cfld.cli.output import settings_of
from cfld.ranges import Batch, Range

NOT_SETTINGS = ("per_identity", "min_similarity", "json")
"""Options that do not change the content of a generated image."""


@dataclass(frozen=True, kw_only=True)
class Augment(GenerationOptions):
    """Add generated images to the training images of a re-identification data set, in its own layout.

    Each image shows a person of the data set in another pose, under a name with identity and camera of its source.
    Images of the identities -1 and 0000 are not augmented. Repeat the command to complete an interrupted run, also
    with more images per identity or another --min-similarity.
    """

    data: Path
    """Folder of Market-1501 or DukeMTMC-reID, with bounding_box_train/, query/ and bounding_box_test/, or a folder of
    Market-1501 that was prepared by cfld data."""
    out: Annotated[Path, Output(entries=("bounding_box_*", "query", "generated", "*.csv"))]
    """Folder to write, in the same layout, with manifest.csv: source, pose and random seed of each generated image."""
    per_identity: Annotated[int, Range(1, 99_999)] = 4
    """Images to generate of each person."""
    poses: Literal["from-data", "seeds"] = "from-data"
    """from-data: poses of other people of the data set. seeds: random poses of mannequins."""
    annotations: Annotations = None
    min_similarity: Annotated[float, Range(-1, 1)] | None = None
    """Leave out images whose person is not found again: those whose most similar true image shows somebody else, or is
    less similar than this, by the cosine of their prompts."""
    batch: Batch = 8
    """Batch size; it does not change the images."""
    json: Json = False

    def run(self) -> None:
        from cfld.inference.augmentation import Augmentation, augment
        from cfld.inference.failures import Failures

        what, failures = (
            Augmentation(self.data, self.per_identity, self.poses, self.annotations, self.min_similarity),
            Failures(),
        )
        settings = {name: value for name, value in settings_of(self).items() if name not in NOT_SETTINGS}
        made = augment(self.open_pipeline(), what, self.out, self.sampling, settings, self.batch, failures)
        failures.check(len(what.people) * self.per_identity)
        report = {"generated": len(made), "kept": sum(one.kept for one in made), "out": str(self.out)}
        text = f"{len(made)} images generated, {report['kept']} of them kept in {self.out}"
        print(json.dumps(report) if self.json else text)
