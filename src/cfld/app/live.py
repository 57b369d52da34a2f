"""People redrawn while their joints are dragged, by a student of few steps.

Of each page only the newest pose is computed, and visitors take turns. It runs beside the sampling of results, in a
thread of its own, so that neither waits for the other.
"""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import torch

from cfld.app.settings import PoseTransfer
from cfld.inference.preprocessing import PreprocessedJob
from cfld.pipeline import CFLDPipeline
from cfld.poses.fit import fit_poses, same_aspect
from cfld.poses.keypoints import Keypoints
from cfld.poses.retarget import retarget
from cfld.types import SourceConditioning

MAX_SOURCES: Final = 16
"""Sources whose encodings are kept, each 0.3 MB of the bundled model, and about 30 MB at the paper's size."""
JPEG: Final[dict[str, Any]] = {"format": "JPEG", "quality": 90}

T = TypeVar("T")


class Turns(Generic[T]):
    """Work for one thread: of each page only the newest, of the visitors one after the other."""

    def __init__(self) -> None:
        self._thread, self._lock = ThreadPoolExecutor(1, "live"), threading.Lock()
        self._waiting: dict[str, dict[str, tuple[Future[T | None], Callable[[], T | None]]]] = {}

    def submit(self, visitor: str, page: str, work: Callable[[], T]) -> Future[T | None]:
        """Takes the place of the page's work that still waits, whose result is None."""
        future: Future[T | None] = Future()
        with self._lock:
            pages = self._waiting.setdefault(visitor, {})
            replaced = pages.get(page)
            pages[page] = (future, work)
        if replaced:
            _complete(replaced[0], lambda: None)
        self._thread.submit(self._run_next)
        return future

    def _run_next(self) -> None:
        """Runs what waits longest; nothing if it was replaced. Its visitor's further pages wait for the others."""
        with self._lock:
            if not self._waiting:
                return
            visitor = next(iter(self._waiting))
            pages = self._waiting.pop(visitor)
            future, work = pages.pop(next(iter(pages)))
            if pages:
                self._waiting[visitor] = pages
        _complete(future, work)


def _complete(future: Future[T], work: Callable[[], T]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - whoever waits for it handles it
            future.set_exception(error)


@dataclass(frozen=True, eq=False)
class LiveSource:
    """What a page drags: the settings of its next result, whose target pose is replaced.

    Attributes:
        token: names it in requests; cannot be guessed.
        folder: contains the files that the settings name.
    """

    token: str
    settings: PoseTransfer
    folder: Path


class _Encoded(NamedTuple):
    """What remains the same while a joint is dragged; poses are retargeted to `body`, if any."""

    source: SourceConditioning
    body: Keypoints | None
    noise_seed: int


class Live:
    """Redraws people by a pipeline with a student."""

    def __init__(self, pipe: CFLDPipeline, prepare: Callable[[PoseTransfer, Path], PreprocessedJob]) -> None:
        """
        Args:
            pipe: its scheduler may change later: that of the copy made here does not.
            prepare: the job of settings and a folder.

        Raises:
            ValueError: if the pipeline has no student.
        """
        if pipe.student is None:
            raise ValueError("only a student of few steps can follow a joint that is dragged")
        self._pipe, self._student, self._prepare = copy.copy(pipe), pipe.student, prepare
        self._turns = Turns[bytes]()
        self._encoded = lru_cache(MAX_SOURCES)(self._encode)

    def redraw(self, source: LiveSource, pose: Keypoints, visitor: str) -> Future[bytes | None]:
        """The image of the source's person in a pose, a JPEG of the model's output size, in the student's own steps.

        With as many steps and the model's scheduler, the result is the same but for the JPEG.

        Args:
            visitor: network address.

        Returns:
            of the bytes, or of None where a newer pose of this source took its place. It raises ValueError for poses
            that show nobody, and for sources in which nobody is found, if that is needed.
        """
        return self._turns.submit(visitor, source.token, partial(self._draw, source, pose))

    def _encode(self, source: LiveSource) -> _Encoded:
        prepared = self._prepare(source.settings, source.folder)
        seed = prepared.job.noise_seed(source.settings.sampling.seed)
        return _Encoded(self._pipe.encode_source(prepared.job.read_source()), prepared.source_pose, seed)

    def _draw(self, source: LiveSource, pose: Keypoints) -> bytes:
        encoded, size = self._encoded(source), tuple(self._pipe.config.output_size)
        pose = pose if encoded.body is None else retarget(encoded.body, pose)
        if not same_aspect(pose.frame, size):
            (pose,) = fit_poses([pose], size)  # as the pipeline does, which would log it for each image
        images = self._pipe(
            encoded.source,
            pose,
            num_inference_steps=self._student.steps,
            pose_guidance_scale=self._student.pose_guidance_scale,
            appearance_guidance_scale=self._student.appearance_guidance_scale,
            generator=torch.Generator().manual_seed(encoded.noise_seed),
        ).images
        file = io.BytesIO()
        images[0].save(file, **JPEG)
        return file.getvalue()
