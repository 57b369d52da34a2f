"""The choice of a detector: the pose network of mannequins for mannequins, another one for photographs."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors.files import BACKENDS
from cfld.poses.people import Person
from cfld.poses.registry import DETECTORS

if TYPE_CHECKING:
    from cfld.poses.estimate import Detector

INSTALL: Final = "pip install 'cfld[mediapipe]' && "


class Auto:
    """Detects mannequins, and people in photographs by the first backend that is installed with its files."""

    def __init__(self, model: Path | None, confidence: float, boxes: Path | None = None) -> None:
        """
        Args:
            model: its kind decides the backend: a folder is mannequin's, `.task` mediapipe's, `.onnx` rtmpose's.
            confidence: joints with a lower score are missing.
            boxes: as in `RTMPose`; only with a model of it.

        Raises:
            ValueError: for another kind of model, or as the backend.
        """
        self._confidence, self._given = confidence, None
        if model is not None:
            self._given = _open(backend_of(model), model, confidence, boxes)
        elif boxes is not None:
            self._given = _open("rtmpose", None, confidence, boxes)

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """See `estimate.Detector`."""
        if self._given is not None:
            return self._given(image)
        if people := self._mannequins(image):
            return people
        return self._photographs(image)

    @cached_property
    def _mannequins(self) -> Detector:
        return DETECTORS["mannequin"](None, self._confidence, certain=True)

    @cached_property
    def _photographs(self) -> Detector:
        backend = photograph_backend()
        if backend is None:
            raise ValueError(
                f"nobody found, as no mannequin is in it; for photographs, first run: {setup_command()}; for a "
                "mannequin that is hard to recognise: --backend mannequin"
            )
        return _open(backend, None, self._confidence, None)


def photograph_backend() -> str | None:
    """The first backend for photographs whose package and files are there."""
    there = (name for name in _installed() if all(file.path().is_file() for file in BACKENDS[name][1]))
    return next(there, None)


def setup_command() -> str:
    """The command that sets up a backend for photographs."""
    if "mediapipe" not in _installed() and "rtmpose" in _installed():
        return "cfld download rtmpose"
    return f"{'' if _installed() else INSTALL}cfld download pose"


def _installed() -> list[str]:
    return [name for name, (package, _) in BACKENDS.items() if importlib.util.find_spec(package)]


def backend_of(model: Path) -> str:
    """The backend of a model file or folder, by its name.

    Raises:
        ValueError: for other names.
    """
    if model.is_dir():
        return "mannequin"
    backend = {".task": "mediapipe", ".onnx": "rtmpose"}.get(model.suffix.lower())
    if backend is None:
        raise ValueError(
            f"{model}: neither a folder nor a .task or .onnx file; name its backend with --backend: "
            f"{', '.join(sorted({*DETECTORS} - {'auto'}))}"
        )
    return backend


def _open(backend: str, model: Path | None, confidence: float, boxes: Path | None) -> Any:
    if boxes is not None and backend != "rtmpose":
        raise ValueError(f"{model}: backend {backend} has no separate person detector; leave out --detector")
    return DETECTORS[backend](model, confidence, **({} if boxes is None else {"boxes": boxes}))
