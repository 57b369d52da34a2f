"""`cfld generate`: images of people in target poses.

cfld generate --source me.png --target-pose pose.json --out outputs/me
cfld generate --source people/ --target-pose 7 8 9 --out outputs/people
cfld generate --source me.jpg --fit letterbox --target-pose child.jpg --retarget --pose.backend rtmpose --out outputs/me
cfld generate --source me.jpg --annotations fashion-resize-annotation-test.csv --target-pose NAME.jpg --out outputs/me
cfld generate --model models/cfld --data datasets/deepfashion --split test --out outputs/test
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, UseAppendAction

from cfld.claims import Input, Output
from cfld.cli.options import (
    Annotations,
    DetectorOptions,
    Frame,
    GenerationOptions,
    PreprocessingOptions,
    SkipMissing,
    Split,
)
from cfld.cli.output import save_image, settings_of
from cfld.data.registry import detect_dataset, open_dataset
from cfld.ranges import Batch, Count

if TYPE_CHECKING:
    from cfld.inference.jobs import Job


@dataclass(frozen=True, kw_only=True)
class Generate(GenerationOptions):
    """Generate people in target poses, one PNG per source image and pose.

    Give --source and --target-pose, or a data set with --data. After an interruption, the same command continues with
    the images that are missing, and generates those again whose source, pose or model has changed.
    """

    out: Annotated[Path, Output()]
    """Output folder; the settings are saved in it as config.json."""
    source: Path | None = None
    """Image of a person, or a folder of such images."""
    target_pose: Annotated[UseAppendAction[tuple[tuple[str, ...], ...]], Input()] = ()
    """Keypoint files (of this project, OpenPose, ControlNet, COCO and others: docs/poses.md), images of people, row
    names of --annotations, or numbers: random seeds of mannequin poses."""
    annotations: Annotations = None
    frame: Frame = None
    data: Path | None = None
    """Data set folder (see cfld data); generate its test or training pairs."""
    split: Split = "test"
    skip_missing: SkipMissing = False
    limit: Count | None = None
    """Generate only the first so many images."""
    batch: Batch = 8
    """Batch size; it does not change the images."""
    preprocessing: OmitArgPrefixes[PreprocessingOptions] = field(default_factory=PreprocessingOptions)
    pose: DetectorOptions = field(default_factory=DetectorOptions)

    def run(self) -> None:
        from cfld.inference.failures import Failures
        from cfld.inference.generation import check_folder, generate
        from cfld.inference.preprocessing import preprocess_jobs

        requested, failures = self._jobs()[: self.limit], Failures()
        preprocessed = preprocess_jobs(requested, self.preprocessing.open(self.pose), failures)
        check_folder(self.out, settings_of(self))
        jobs = [one.job for one in preprocessed]
        files = generate(self.open_pipeline(), jobs, self.sampling, self.out, settings_of(self), self.batch, failures)
        for one in preprocessed:
            if one.job.name not in failures.messages and (sheet := one.retargeting_sheet()):
                save_image(sheet, self.out / "retargeted" / f"{one.job.name}.png")
        failures.check(len(requested))
        print(files[0] if len(files) == 1 else f"{len(files)} images in {self.out}")

    def _jobs(self) -> list[Job]:
        from cfld.inference.jobs import dataset_jobs, image_jobs
        from cfld.inference.pose_reading import target_poses

        if self.data is not None:
            if self.source is not None or self.target_pose:
                raise ValueError("give either --data, or --source and --target-pose")
            if self.preprocessing != PreprocessingOptions():
                raise ValueError("--fit, --background, --retarget and --source-pose apply to --source, not to --data")
            kind = detect_dataset(self.data)
            return dataset_jobs(open_dataset(kind, self.data, self.split, skip_missing=self.skip_missing))
        if self.source is None or not self.target_pose:
            raise ValueError("give --source and --target-pose, or --data")
        texts = [text for texts in self.target_pose for text in texts]
        return image_jobs(self.source, target_poses(texts, self.annotations, self.frame, self.pose.reader()))
