"""`cfld features`: features of people for other programs, by the source encoder.

cfld features --source people/ --out features.npz
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes

from cfld.claims import Output
from cfld.cli.options import PipelineOptions
from cfld.ranges import Batch


@dataclass(frozen=True, kw_only=True)
class Features:
    """Write the features of images of people: the means of H_S's f_1 .. f_4 over the image, and H_D's prompt.

    The arrays of the file: names (N,), f_1 .. f_4 (N, C_l), and prompt (N, Q, D), float32.
    """

    source: Path
    """Image of a person, or a folder of such images."""
    out: Annotated[Path, Output("file", (".npz",))]
    """NumPy file to write."""
    batch: Batch = 8
    """Batch size."""
    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)

    def run(self) -> None:
        import functools

        import numpy as np

        from cfld.data.transforms import read_image
        from cfld.files import replacing
        from cfld.inference.failures import Failures
        from cfld.inference.features import read_features
        from cfld.inference.jobs import image_files

        files, failures = image_files(self.source), Failures()
        images = {file.name: functools.partial(read_image, file) for file in files}
        names, features = read_features(self.pipeline.open(), images, failures, self.batch)
        failures.check(len(images))
        with replacing(self.out) as temporary:
            np.savez(temporary, names=np.array(names), **features)  # type: ignore[arg-type]
        print(f"{len(names)} images in {self.out}")
