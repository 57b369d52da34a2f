"""Generates images from settings and a folder with the files that they name, one after the other in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np
from PIL import Image
from torch import Tensor

from cfld.app.limits import Limits
from cfld.app.live import Live
from cfld.app.settings import Attention, Interpolation, PoseTransfer, Sampled, ServedModel, Settings, StyleTransfer
from cfld.app.uploads import UploadReader
from cfld.data.transforms import read_image, resize
from cfld.diffusion.interpolation import interpolation_weights
from cfld.downloads import CONVERT, CONVERTED, DOWNLOAD
from cfld.inference.attention import attention_sheet
from cfld.inference.editing import interpolate_styles, strip, transfer_style
from cfld.inference.generation import sampling_arguments
from cfld.inference.jobs import Job, image_jobs
from cfld.inference.pose_reading import PoseReader, target_poses
from cfld.inference.preprocessing import PreprocessedJob, Preprocessing, preprocess_jobs
from cfld.pipeline import CFLDPipeline, OnStepEnd
from cfld.poses.estimate import Detector
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import CONFIDENCE
from cfld.poses.registry import DETECTORS
from cfld.poses.segmenters import PLAIN, Segmenter, open_segmenter
from cfld.readers.images import is_image_file, read_pixels

PREVIEWS: Final = 5
"""Previews per image, approximately."""


class Cancelled(Exception):  # noqa: N818
    """The request was cancelled."""


@dataclass(frozen=True, eq=False)
class Progress:
    """So far `step` of `total` sampling steps of a request are finished; some have a `preview`: the decoded latents."""

    step: int
    total: int
    preview: Image.Image | None = None


@dataclass(frozen=True, eq=False)
class Output:
    """A generated RGB image; if the pose was retargeted, also source, target and retargeted pose side by side."""

    image: Image.Image
    retargeting: Image.Image | None = None


OnProgress = Callable[[Progress], None]

BUNDLED_MODELS: Final = ("mannequin", "mannequin-turbo")
PHOTOGRAPH: Final = (
    "This does not look like a mannequin, and the bundled model knows nothing else: the result will not look like this "
    f"person. For photographs, get the released weights in two steps:\n\n1. `{DOWNLOAD}`\n2. `{CONVERT}`\n\n"
    f"Then start `cfld app --model {CONVERTED}`."
)


class Engine:
    """One model and one pose detector, shared by all visitors.

    Attributes:
        live: redraws people while their joints are dragged; None unless the model is a student of few steps.
    """

    def __init__(
        self,
        pipe: CFLDPipeline,
        reader: PoseReader | None = None,
        served: ServedModel | None = None,
        limits: Limits | None = None,
        open_segmenter: Callable[[], Segmenter] = open_segmenter,
    ) -> None:
        """
        Args:
            pipe: the model.
            reader: reads poses; by default with the bundled detector, which recognises mannequins.
            served: command-line names of the two.
            limits: limits on what a visitor may request.
            open_segmenter: opens the segmenter for plain backgrounds, when first needed.
        """
        pipe.set_progress_bar_config(disable=True)
        self.reader, self.served, self.limits = reader or PoseReader(), served or ServedModel(), limits or Limits()
        self.limits.check()
        self.uploads, self._open_segmenter = UploadReader(self.limits), open_segmenter
        self._pipe, self.recipe = pipe, pipe.recipe
        self._thread = ThreadPoolExecutor(1, "engine")
        self._cancel_events: set[threading.Event] = set()
        self.live = Live(pipe, self._prepare) if pipe.student else None

    def generate(self, settings: Settings, folder: Path) -> Generator[Progress | Output, None, None]:
        """Yields the progress after each sampling step, and the output last.

        Closing the generator stops the sampling at the next step.

        Args:
            folder: contains the files that the settings name.

        Raises:
            ValueError: if settings or files are invalid, in one sentence.
            Cancelled: after `cancel_all`.
        """
        queue: SimpleQueue[Progress | Future[Output]] = SimpleQueue()
        cancel = threading.Event()
        self._cancel_events.add(cancel)

        def on_progress(progress: Progress) -> None:
            if cancel.is_set():
                raise Cancelled
            queue.put(progress)

        future = self._thread.submit(self._run, settings, folder, on_progress)
        future.add_done_callback(queue.put)
        try:
            while isinstance(progress := queue.get(), Progress):
                yield progress
        finally:
            cancel.set()
            self._cancel_events.discard(cancel)
        yield future.result()

    def cancel_all(self) -> None:
        """Stops all requests at their next sampling step."""
        for cancel in list(self._cancel_events):
            cancel.set()

    def unsuitable(self, image: Image.Image) -> str:
        """Why results with this source will look wrong; empty if nothing is known against it."""
        if self.served.model not in BUNDLED_MODELS or self._mannequins(np.asarray(image.convert("RGB"))):
            return ""
        return PHOTOGRAPH

    @cached_property
    def _mannequins(self) -> Detector:
        return DETECTORS["mannequin"](None, CONFIDENCE, certain=True)

    @cached_property
    def _segmenter(self) -> Segmenter:
        return self._open_segmenter()

    def read_pose(self, file: Path) -> Keypoints:
        """The pose of the person in an uploaded image, or in a keypoint file.

        Raises:
            ValueError: in one sentence that begins with the file's name.
        """
        if is_image_file(file):
            with self.uploads.open(file) as upload:
                return self.reader.image(upload.image, file.name)
        self.uploads.check_keypoint_file(file)
        return self.reader.file(file)

    def _run(self, settings: Settings, folder: Path, on_progress: OnProgress) -> Output:
        match settings:
            case PoseTransfer():
                return self._pose_transfer(settings, folder, on_progress)
            case StyleTransfer():
                return self._style_transfer(settings, folder, on_progress)
            case Interpolation():
                return self._interpolation(settings, folder, on_progress)
            case Attention():
                images = [read_image(folder / source) for source in settings.sources]
                return Output(attention_sheet(self._pipe, images, settings.blocks))
        raise NotImplementedError(settings.task)

    def _pose_transfer(self, settings: PoseTransfer, folder: Path, on_progress: OnProgress) -> Output:
        prepared = self._prepare(settings, folder)
        job, on_step_end = prepared.job, self._start_sampling(settings, on_progress)
        arguments = sampling_arguments(settings.sampling, [job.noise_seed(settings.sampling.seed)], on_step_end)
        image: Image.Image = self._pipe(job.read_source(), job.pose, **arguments).images[0]
        return Output(image, prepared.retargeting_sheet())

    def _prepare(self, settings: PoseTransfer, folder: Path) -> PreprocessedJob:
        preprocessing = Preprocessing(
            fit=settings.fit,
            background=PLAIN if settings.background else None,
            segmenter=self._segmenter if settings.background else None,
            retarget=settings.retarget,
            reader=self.reader,
        )
        (prepared,) = preprocess_jobs([self._job(settings, folder, settings.source)], preprocessing)
        return prepared

    def _style_transfer(self, settings: StyleTransfer, folder: Path, on_progress: OnProgress) -> Output:
        reference, mask = read_image(folder / settings.reference), read_pixels(folder / settings.mask)
        job, on_step_end = self._job(settings, folder, settings.source), self._start_sampling(settings, on_progress)
        options = (settings.sampling, settings.feather, settings.paste, on_step_end)
        return Output(transfer_style(self._pipe, reference, mask, job, *options))

    def _interpolation(self, settings: Interpolation, folder: Path, on_progress: OnProgress) -> Output:
        jobs = [self._job(settings, folder, source) for source in settings.sources]
        rows = [settings.weights] if settings.weights else interpolation_weights(len(jobs), settings.frames)
        on_step_end = self._start_sampling(settings, on_progress, len(rows))
        return Output(strip(interpolate_styles(self._pipe, jobs, rows, settings.sampling, on_step_end), rows))

    def _job(self, settings: Sampled, folder: Path, source: str) -> Job:
        poses = target_poses([str(folder / settings.target_pose)], reader=self.reader)
        return image_jobs(folder / source, poses)[0]

    def _start_sampling(self, settings: Sampled, on_progress: OnProgress, images: int = 1) -> OnStepEnd:
        """Sets the scheduler; returns a callback that reports the steps of this many images."""
        self._pipe.use_recipe(replace(self.recipe, scheduler=settings.sampling.scheduler or self.recipe.scheduler))
        done = 0

        def on_step_end(pipe: CFLDPipeline, step: int, _: Tensor, tensors: dict[str, Tensor]) -> None:
            nonlocal done
            done += 1
            every = max(pipe.num_timesteps // PREVIEWS, 1)
            preview = self._preview(tensors["latents"]) if step % every == every - 1 else None
            on_progress(Progress(done, images * pipe.num_timesteps, preview))

        return on_step_end

    def _preview(self, latents: Tensor) -> Image.Image:
        """Decodes latents (1, 4, h, w), rescaled: some schedulers keep them at a larger scale until the last steps."""
        pipe, z = self._pipe, latents / latents.std().clamp(min=1)
        square = pipe.vae.decode(z.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor, return_dict=False)[0]
        image: Image.Image = pipe.image_processor.postprocess(resize(square.float(), pipe.config.output_size))[0]
        return image
