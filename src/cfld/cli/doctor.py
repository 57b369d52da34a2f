"""`cfld doctor`: what is installed, which files are where, what would run on which device, and what works.

cfld doctor
cfld doctor --json
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfld.cli.options import Json, find_device

if TYPE_CHECKING:
    from cfld.downloads import PublishedFile

PACKAGES: Final = {
    "torch": "",
    "diffusers": "",
    "mediapipe": "mediapipe",
    "onnxruntime": "pose",
    "openvino": "openvino",
    "gradio": "app",
    "tensorboard": "train",
    "torchmetrics": "metrics",
    "fastapi": "study",
}
"""Package -> the extra of cfld that installs it; empty = always there."""
GIGABYTE: Final = 1e9


@dataclass(frozen=True)
class File:
    """A published file on this machine.

    Attributes:
        path: where commands look for it.
        size: bytes, None if it is not there.
        genuine: whether it has the published digest; None if it is not there.
        about: size and licence.
    """

    path: str
    size: int | None
    genuine: bool | None
    about: str


@dataclass(frozen=True)
class Works:
    """Whether something works now, and if not, the command that changes it."""

    what: str
    works: bool
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Show what is installed, which files are found, the device, and what of the tutorial works now."""

    json: Json = False

    def run(self) -> None:
        device, files = str(find_device(None)), list(_files())
        report: dict[str, Any] = {
            "python": sys.version.split()[0],
            "packages": {name: _version(name) for name in ("cfld", *PACKAGES)},
            "device": device,
            "dtype": "float32" if device == "cpu" else "float16 (--dtype float16; the default is float32)",
            "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gb": _memory(),
            "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / GIGABYTE, 1),
            "files": [asdict(file) for file in files],
            "works": [asdict(one) for one in _works()],
        }
        print(json.dumps(report, indent=2) if self.json else "\n".join(_lines(report)))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory() -> float | None:
    """Of the machine, in GB; None where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _files() -> Iterator[File]:
    """The published files that commands download by themselves."""
    from cfld.metrics.weights import BACKBONE_FILES, INCEPTION_FILES
    from cfld.poses.detectors.files import BACKENDS

    detectors = [file for _, files in BACKENDS.values() for file in files]
    for file in (*detectors, *INCEPTION_FILES.values(), *BACKBONE_FILES.values()):
        yield _file(file)


def _file(file: PublishedFile) -> File:
    path = file.path()
    if not path.is_file():
        return File(str(path), None, None, file.about)
    return File(str(path), path.stat().st_size, file.is_genuine(path), file.about)


def _works() -> Iterator[Works]:
    from cfld.downloads import CONVERT, CONVERTED, DOWNLOAD
    from cfld.poses import segmenters
    from cfld.poses.detectors.auto import photograph_backend, setup_command

    yield Works("mannequins: make demo, the tutorial's part A", True)
    yield Works("poses from files of other programs", True)
    backend = photograph_backend()
    yield Works(f"poses from photographs{f', --backend {backend}' if backend else ''}", bool(backend), setup_command())
    segmenter = segmenters.installed_segmenter()
    yield Works("plain backgrounds, --background plain", segmenter is not None, segmenters.setup_command())
    yield Works(
        "the released weights: the tutorial's part B",
        Path(CONVERTED, "model_index.json").is_file(),
        f"{DOWNLOAD} && {CONVERT}",
    )
    for what, package in {"cfld app": "gradio", "cfld study": "fastapi", "cfld evaluate": "torchmetrics"}.items():
        yield Works(what, importlib.util.find_spec(package) is not None, f"pip install 'cfld[{PACKAGES[package]}]'")


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"Python {report['python']}"
    for name, version in report["packages"].items():
        extra = PACKAGES.get(name)
        yield f"  {name:<12} {version or f'not installed: pip install {chr(39)}cfld[{extra}]{chr(39)}'}"
    yield f"Device {report['device']}, dtype {report['dtype']}, {report['cpu_cores']} CPU cores"
    memory = "unknown" if report["memory_gb"] is None else f"{report['memory_gb']} GB"
    yield f"Memory {memory}, free disk space {report['disk_free_gb']} GB"
    yield "Files"
    for file in report["files"]:
        yield f"  {_state(file):<20} {file['path']} ({file['about']})"
    yield "What works now"
    for one in report["works"]:
        yield f"  {'yes' if one['works'] else 'no '} {one['what']}" + ("" if one["works"] else f": {one['command']}")


def _state(file: dict[str, Any]) -> str:
    if file["size"] is None:
        return "absent"
    digest = {True: "right", False: "WRONG DIGEST", None: ""}[file["genuine"]]
    return f"{file['size'] / 1e6:,.1f} MB {digest}"
