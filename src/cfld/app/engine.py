"""What the app draws: settings and a folder with their files in, an image out, one after the other in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from PIL import Image
from torch import Tensor

from cfld import mannequin
from cfld.app.limits import Limits
from cfld.app.settings import Attention, Interpolation, PoseTransfer, Sampled, Served, Settings, StyleTransfer
from cfld.app.uploads import read_upload
from cfld.data.transforms import read_image, resize
from cfld.diffusion.interpolation import interpolation_weights
from cfld.diffusion.masking import soft_mask
from cfld.diffusion.schedulers import make_scheduler
from cfld.inference.attention import attention_sheet
from cfld.inference.editing import interpolate_styles, read_mask, strip, transfer_style
from cfld.inference.generation import sampling_arguments
from cfld.inference.jobs import Job, image_jobs
from cfld.inference.pose_reading import PoseReader, is_image_file, target_poses
from cfld.inference.preprocessing import Preprocessing, preprocess_jobs
from cfld.pipeline import CFLDPipeline, OnStepEnd
from cfld.poses.keypoints import Keypoints

PREVIEWS: Final = 5
"""Of one image, about."""


class Stopped(Exception):  # noqa: N818
    """Somebody asked for it."""


@dataclass(frozen=True, eq=False)
class Step:
    """How far a drawing has come.

    Attributes:
        done, of: sampling steps.
        preview: the image as it is, now and then.
    """

    done: int
    of: int
    preview: Image.Image | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """A result.

    Attributes:
        image: RGB.
        retargeting: source pose, target pose and what was drawn side by side, where poses were retargeted.
    """

    image: Image.Image
    retargeting: Image.Image | None = None


Watch = Callable[[Step], None]


class Engine:
    """One model and one pose reader, for any number of visitors."""

    def __init__(
        self,
        pipe: CFLDPipeline,
        reader: PoseReader | None = None,
        served: Served | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            pipe: what draws.
            reader: what finds poses; by default the bundled network, which knows mannequins.
            served: how the commands name these two.
            limits: of what visitors may ask for.
        """
        pipe.set_progress_bar_config(disable=True)
        self.reader, self.served, self.limits = reader or PoseReader(), served or Served(), limits or Limits()
        self.limits.check()
        self._pipe, self._scheduler = pipe, pipe.scheduler
        self._thread = ThreadPoolExecutor(1, "engine")

    def draw(self, settings: Settings, folder: Path, stop: threading.Event) -> Generator[Step, None, Drawn]:
        """Draws what the settings ask for; to be iterated over, a step at a time.

        Args:
            folder: where the files are that the settings name.
            stop: ends it at the next step, as closing the generator does.

        Raises:
            ValueError: in one sentence, what is wrong with settings or files.
            Stopped: after `stop`.
        """
        steps: SimpleQueue[Step | Future[Drawn]] = SimpleQueue()

        def watch(step: Step) -> None:
            if stop.is_set():
                raise Stopped
            steps.put(step)

        future = self._thread.submit(self._draw, settings, folder, watch)
        future.add_done_callback(steps.put)
        try:
            while isinstance(step := steps.get(), Step):
                yield step
        finally:
            stop.set()
        return future.result()

    def read_pose(self, file: Path) -> Keypoints:
        """The pose of the person in an uploaded image, or in a keypoint file.

        Raises:
            ValueError: in one sentence that begins with the file's name.
        """
        if is_image_file(file):
            return self.reader.image(read_upload(file, self.limits).image, file.name)
        return self.reader.file(file)

    def _draw(self, settings: Settings, folder: Path, watch: Watch) -> Drawn:
        match settings:
            case PoseTransfer():
                return self._pose_transfer(settings, folder, watch)
            case StyleTransfer():
                return self._style_transfer(settings, folder, watch)
            case Interpolation():
                return self._interpolation(settings, folder, watch)
            case Attention():
                images = [read_image(folder / source) for source in settings.sources]
                return Drawn(attention_sheet(self._pipe, images, settings.blocks))
        raise NotImplementedError(settings.task)

    def _pose_transfer(self, asked: PoseTransfer, folder: Path, watch: Watch) -> Drawn:
        preprocessing = Preprocessing(fit=asked.fit, retarget=asked.retarget, reader=self.reader)
        (ready,) = preprocess_jobs([self._job(asked, folder, asked.source)], preprocessing)
        seed, on_step_end = ready.job.noise_seed(asked.sampling.seed), self._sampled(asked, watch)
        arguments = sampling_arguments(asked.sampling, [seed], on_step_end)
        image: Image.Image = self._pipe(ready.job.read_source(), ready.job.pose, **arguments).images[0]
        return Drawn(image, ready.retargeting_sheet())

    def _style_transfer(self, asked: StyleTransfer, folder: Path, watch: Watch) -> Drawn:
        reference, mask = read_image(folder / asked.reference), read_mask(folder / asked.mask)
        soft_mask(mask, (reference.height, reference.width), asked.feather)
        job, on_step_end = self._job(asked, folder, asked.source), self._sampled(asked, watch)
        how = (asked.sampling, asked.feather, asked.paste, on_step_end)
        return Drawn(transfer_style(self._pipe, reference, mask, job, *how))

    def _interpolation(self, asked: Interpolation, folder: Path, watch: Watch) -> Drawn:
        jobs = [self._job(asked, folder, source) for source in asked.sources]
        rows = [asked.weights] if asked.weights else interpolation_weights(len(jobs), asked.frames)
        on_step_end = self._sampled(asked, watch, len(rows))
        return Drawn(strip(interpolate_styles(self._pipe, jobs, rows, asked.sampling, on_step_end), rows))

    def _job(self, asked: Sampled, folder: Path, source: str) -> Job:
        poses = target_poses([str(folder / asked.target_pose)], reader=self.reader)
        return image_jobs(folder / source, poses)[0]

    def _sampled(self, asked: Sampled, watch: Watch, images: int = 1) -> OnStepEnd:
        """Sets the scheduler; returns what follows the steps of so many images."""
        name, own = asked.sampling.scheduler, self._scheduler
        self._pipe.scheduler = own if name is None else make_scheduler(name, own.config)
        done = 0

        def on_step_end(pipe: CFLDPipeline, step: int, _: Tensor, kept: dict[str, Tensor]) -> None:
            nonlocal done
            done += 1
            every = max(pipe.num_timesteps // PREVIEWS, 1)
            preview = self._preview(kept["latents"]) if step % every == every - 1 else None
            watch(Step(done, images * pipe.num_timesteps, preview))

        return on_step_end

    def _preview(self, latents: Tensor) -> Image.Image:
        """What the latents (1, 4, h, w) show; some schedulers keep them on a larger scale, until the last steps."""
        pipe, z = self._pipe, latents / latents.std().clamp(min=1)
        square = pipe.vae.decode(z.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor, return_dict=False)[0]
        image: Image.Image = pipe.image_processor.postprocess(resize(square.float(), pipe.config.output_size))[0]
        return image


def random_figure(seed: int) -> Image.Image:
    """A mannequin, RGB, 256 x 176."""
    return Image.fromarray(mannequin.render(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed)))


def mannequin_pose(seed: int) -> Keypoints:
    """The pose that the commands call by this number."""
    (pose,) = target_poses([str(seed)]).values()
    return pose
