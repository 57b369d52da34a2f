"""`cfld generate`: a source image and target poses in, images out.

cfld generate --source me.jpg --target-pose pose.json --out outputs/me
cfld generate --source people/ --target-pose 7 8 9 --out outputs/people
cfld generate --source me.jpg --fit letterbox --target-pose child.jpg --retarget --pose.backend rtmpose --out outputs/me
cfld generate --source me.jpg --annotations fashion-resize-annotation-test.csv --target-pose NAME.jpg --out outputs/me
cfld generate --model models/cfld --data datasets/deepfashion --split test --out outputs/test
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, UseAppendAction

from cfld.cli.output import settings_of
from cfld.cli.pose import DetectorOptions, PreprocessingOptions, save_png
from cfld.config.schema import SamplingConfig

if TYPE_CHECKING:
    import torch

    from cfld.inference.generation import Job
    from cfld.inference.preprocessing import Prepared
    from cfld.pipeline import CFLDPipeline


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Draw people in target poses, one PNG a pair. Interrupted, the same command goes on where it stopped.

    Either --source and --target-pose, or a whole test set by --data.
    """

    out: Path
    """The folder to write; the resolved settings are kept in it as config.json."""
    model: str = "mannequin"
    """The bundled model, a model folder, or a hub id."""
    source: Path | None = None
    """An image of a person, or a folder of them."""
    target_pose: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Keypoint files (this project's, OpenPose, ControlNet, COCO), images of people, row names of --annotations, or
    numbers: seeds of mannequin poses."""
    annotations: Path | None = None
    """An annotation CSV (name:keypoints_y:keypoints_x) to look target poses up in."""
    frame: tuple[int, int] = (256, 176)
    """Height and width of the images that the rows of --annotations refer to, and keypoint files that do not tell;
    Market-1501: 128 64."""
    own: OmitArgPrefixes[PreprocessingOptions] = field(default_factory=PreprocessingOptions)
    """What is done to own images, those of --source."""
    pose: DetectorOptions = field(default_factory=DetectorOptions)
    """How poses are found in images."""
    data: Path | None = None
    """A data set folder, whose pairs are drawn (see cfld data)."""
    split: Literal["train", "test"] = "test"
    """Which pairs of --data."""
    skip_missing: bool = False
    """Leave out pairs of --data whose annotation or image is missing instead of stopping."""
    limit: int | None = None
    """Draw only the first so many images."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How images are sampled."""
    batch: int = 8
    """Images drawn side by side."""
    device: str | None = None
    """cpu, cuda, mps; by default what is there."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Weight dtype."""

    def run(self) -> None:
        from cfld.inference.generation import check_folder, generate

        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit must be at least 1, got {self.limit}")
        prepared = self._jobs()
        jobs = [one.job for one in prepared]
        check_folder(self.out, settings_of(self))
        pipe = open_pipeline(self.model, self.sampling.scheduler, self.device, self.dtype)
        files = generate(pipe, jobs, self.sampling, self.out, settings_of(self), self.batch)
        if self.own.retarget:
            self._draw_retargeting(prepared)
        print(files[0] if len(files) == 1 else f"{len(files)} images in {self.out}")

    def _jobs(self) -> list[Prepared]:
        from cfld.inference.preprocessing import prepare_jobs

        return prepare_jobs(self._asked_for()[: self.limit], self.own.preparation(self.pose))

    def _draw_retargeting(self, prepared: list[Prepared]) -> None:
        """Source, target and retargeted pose of every image, in a folder beside the images."""
        from cfld.inference.preprocessing import retargeting_sheet

        for one in prepared:
            if one.source_pose is not None:
                sheet = retargeting_sheet(one.source_pose, one.target_pose, one.job.pose)
                save_png(sheet, self.out / "retargeted" / f"{one.job.name}.png")

    def _asked_for(self) -> list[Job]:
        from cfld.data.registry import detect_dataset, open_dataset
        from cfld.inference.generation import dataset_jobs, image_jobs, target_poses

        if self.data is not None:
            if self.source is not None or self.target_pose:
                raise ValueError("give --data, or --source and --target-pose, not both")
            if self.own != PreprocessingOptions():
                raise ValueError("--fit, --retarget and their kind are for --source; --data is drawn as it is")
            kind = detect_dataset(self.data)
            return dataset_jobs(open_dataset(kind, self.data, self.split, skip_missing=self.skip_missing))
        if self.source is None or not self.target_pose:
            raise ValueError("give --source and --target-pose, or --data")
        texts = [text for texts in self.target_pose for text in texts]
        return image_jobs(self.source, target_poses(texts, self.annotations, self.frame, self.pose.reader()))


def open_pipeline(
    model: str, scheduler: str | None = None, device: str | None = None, dtype: str = "float32"
) -> CFLDPipeline:
    """The model as the command line's options ask for it.

    Args:
        model: as in `CFLDPipeline.from_pretrained`.
        scheduler: a name of `SCHEDULERS`; none = the model's own.
        device: none = the accelerator where there is one.

    Raises:
        ValueError: naming the option that is wrong.
    """
    import torch
    from diffusers.utils import logging

    from cfld.diffusion.schedulers import make_scheduler
    from cfld.pipeline import CFLDPipeline

    logging.disable_progress_bar()
    pipe = CFLDPipeline.from_pretrained(model, torch_dtype=getattr(torch, dtype))  # `to` with a dtype would warn
    if scheduler is not None:
        pipe.scheduler = make_scheduler(scheduler, pipe.scheduler.config)
    placed: CFLDPipeline = pipe.to(find_device(device))
    return placed


def find_device(name: str | None) -> torch.device:
    """The device of that name, or the accelerator where there is one."""
    import torch

    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: not to be had here ({str(error).splitlines()[0]})") from None
