"""Arguments of the pipeline's call, right and wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from cfld import mannequin
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints

POSE: Final = mannequin.keypoints(mannequin.sample_identity(0), mannequin.sample_body_pose(0))
MAP: Final = (21, 64, 64)
LATENTS: Final = (1, 4, 8, 8)
MODES: Final = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "I;16")
LEVELS: Final = (0.0, 1.0, -1.0, 255.0, 1e30, float("nan"), float("inf"))


def _maps(*shape: int, value: float = 0.5) -> torch.Tensor:
    return torch.full(shape, value)


def _picture(mode: str, size: tuple[int, int] = (44, 64)) -> Image.Image:
    return Image.new(mode, size)


NOTHING: Final[Mapping[str, Callable[[], Any]]] = {
    "None": lambda: None,
    "''": str,
    "'x'": lambda: "x",
    "0": int,
    "1": lambda: 1,
    "-1": lambda: -1,
    "2.5": lambda: 2.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "1e9": lambda: 10**9,
    "1e400": lambda: 10**400,
    "True": lambda: True,
    "[]": list,
    "[None]": lambda: [None],
    "{}": dict,
    "object": object,
    "path": lambda: Path("me.png"),
    "empty array": lambda: np.zeros((0, 18, 2)),
    "scalar": lambda: np.float64(3),
    "empty tensor": lambda: torch.zeros(0),
    "strings": lambda: np.array(["a", "b"]),
    "objects": lambda: np.array([None, 1], dtype=object),
    "ragged": lambda: [[1, 2], [3]],
    "complex": lambda: np.zeros((18, 2), dtype=complex),
}
"""Values of the wrong kind for most arguments."""
IMAGES: Final[Mapping[str, Callable[[], Any]]] = {
    **{mode: partial(_picture, mode) for mode in MODES},
    "a list": lambda: [_picture("RGB")] * 2,
    "a dot": lambda: _picture("RGB", (1, 1)),
    "a line": lambda: _picture("RGB", (3000, 1)),
    "no area": lambda: _picture("RGB", (0, 5)),
    "array": lambda: np.zeros((64, 44, 3), np.uint8),
    "bytes": lambda: torch.zeros(1, 3, 64, 44, dtype=torch.uint8),
    **{f"tensor of {value}": partial(_maps, 1, 3, 64, 44, value=value) for value in LEVELS},
    "one tensor": lambda: _maps(3, 64, 44),
    "no tensor": lambda: _maps(0, 3, 64, 44),
    "flat tensor": lambda: _maps(1, 3, 0, 44),
    "grey tensor": lambda: _maps(1, 1, 64, 44),
    "half": lambda: _maps(1, 3, 64, 44).half(),
    "double": lambda: _maps(1, 3, 64, 44).double(),
    "meta": lambda: torch.zeros(1, 3, 64, 44, device="meta"),
}
POSES: Final[Mapping[str, Callable[[], Any]]] = {
    "keypoints": lambda: POSE,
    "two": lambda: [POSE, POSE],
    "array": lambda: POSE.yx,
    "batch": lambda: np.stack([POSE.yx] * 3),
    "list": lambda: POSE.yx.tolist(),
    "lists": lambda: [POSE.yx.tolist()] * 2,
    "tensor": lambda: torch.tensor(POSE.yx),
    "fractions": lambda: POSE.yx / 256,
    "outside": lambda: POSE.yx + 1000,
    "infinite": lambda: POSE.yx * np.inf,
    "missing": lambda: np.full((18, 2), -1),
    "nan": lambda: np.full((18, 2), np.nan),
    "seventeen": lambda: POSE.yx[:17],
    "triples": lambda: np.zeros((18, 3)),
    "wide": lambda: Keypoints(POSE.yx, (256, 5000)),
    "huge": lambda: POSE.yx.astype(float) * 1e300,
    "map": lambda: _maps(*MAP),
    "maps": lambda: _maps(2, *MAP),
    "no maps": lambda: _maps(0, *MAP),
    "other size": lambda: _maps(21, 32, 32),
    "nan map": lambda: _maps(*MAP, value=float("nan")),
    "map of bytes": lambda: torch.zeros(MAP, dtype=torch.uint8),
}
NUMBERS: Final[Mapping[str, Callable[[], Any]]] = {
    "3": lambda: 3,
    "1001": lambda: 1001,
    "-3": lambda: -3,
    "1.0": lambda: 1.0,
    "int64": lambda: np.int64(2),
    "tensor": lambda: torch.tensor(2),
}
GENERATORS: Final[Mapping[str, Callable[[], Any]]] = {
    "generator": torch.Generator,
    "list": lambda: [torch.Generator()],
    "two": lambda: [torch.Generator()] * 2,
    "numpy": np.random.default_rng,
}
LATENT: Final[Mapping[str, Callable[[], Any]]] = {
    "zeros": lambda: torch.zeros(LATENTS),
    "two": lambda: torch.zeros(2, *LATENTS[1:]),
    "nan": lambda: torch.full(LATENTS, float("nan")),
    "huge": lambda: torch.full(LATENTS, 1e38),
    "array": lambda: np.zeros(LATENTS),
    "integers": lambda: torch.zeros(LATENTS, dtype=torch.int),
    "half": lambda: torch.zeros(LATENTS, dtype=torch.half),
}
OUTPUTS: Final[Mapping[str, Callable[[], Any]]] = {name: partial(str, name) for name in ("pil", "np", "pt", "latent")}
BASE: Final = {"source_image": "RGB", "target_pose": "keypoints", "num_inference_steps": "1"}
CALL: Final[Mapping[str, Mapping[str, Callable[[], Any]]]] = {
    "source_image": {**IMAGES, **NOTHING},
    "target_pose": {**POSES, **NOTHING},
    "num_inference_steps": {**NUMBERS, **NOTHING},
    "pose_guidance_scale": {**NUMBERS, **NOTHING},
    "appearance_guidance_scale": {**NUMBERS, **NOTHING},
    "generator": {**GENERATORS, **NOTHING},
    "latents": {**LATENT, **NOTHING},
    "height": {**NUMBERS, **NOTHING},
    "width": {**NUMBERS, **NOTHING},
    "output_type": {**OUTPUTS, **NOTHING},
    "callback_on_step_end_tensor_inputs": {"latents": lambda: ["latents"], "image": lambda: ["image"], **NOTHING},
}
"""Argument -> its values, by their names."""


def try_calls(model: Path, calls: Sequence[Mapping[str, str]]) -> None:
    """Calls the pipeline with each set of arguments, by name; prints what happened, as JSON, a line for each."""
    from support.fuzz.readers import _where

    pipe = CFLDPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)
    for names in calls:
        print(json.dumps({"begins": str(names)}), flush=True)
        problem = None
        try:
            arguments = {argument: CALL[argument][name]() for argument, name in {**BASE, **names}.items()}
            images = pipe(**arguments).images
            if len(images) == 0 or (not isinstance(images, list) and not np.isfinite(np.asarray(images)).all()):
                problem = f"no finite images for {names}"
        except ValueError as error:
            if not str(error).strip() or "\n" in str(error) or len(str(error)) > 600:
                problem = f"not one clear line: {str(error)[:300]!r}"
        except BaseException as error:  # noqa: BLE001
            problem = f"{_where(error)} for {sorted(names)}"
        print(json.dumps({"problem": problem}), flush=True)
