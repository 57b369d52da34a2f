"""A checkpoint in the released format whose weights follow a rule, so that none need be stored, and inputs likewise.

`golden/by_rule.npz` holds what the authors' code computes from them.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from pathlib import Path

import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
SIDE, LATENT = 64, 16


def write_checkpoint(folder: Path) -> None:
    """Writes the two pickles and the JSON files with their dimensions."""
    keys = json.loads(gzip.decompress((GOLDEN / "tiny" / "checkpoint_keys.json.gz").read_bytes()))
    for file, shapes in keys.items():
        torch.save({key: _weight(key, *described) for key, described in shapes.items()}, folder / file)
    shutil.copy(GOLDEN / "tiny" / "config.json", folder)
    shutil.copytree(GOLDEN / "tiny" / "unet", folder / "unet")


def _weight(key: str, shape: list[int], dtype: str) -> Tensor:
    """0.5 / sqrt(fan in) times a normal for matrices, 1 + 0.1 of one for scales, 0.1 of one for biases.

    The only integers are the Swin's `relative_position_index`, which are no weights: both codes compute them.
    """
    if dtype != "torch.float32":
        return torch.zeros(shape, dtype=torch.int64)
    normal = _normal(key, *shape)
    if len(shape) > 1:
        return normal * 0.5 / max(1, normal[0].numel()) ** 0.5
    return 1 + 0.1 * normal if key.endswith("weight") else 0.1 * normal


def _normal(name: str, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def inputs() -> dict[str, Tensor]:
    """Two samples: images in [-1, 1], pose maps in [0, 1], normal latents, an early and a late timestep."""
    return {
        "source_image": _normal("source_image", 2, 3, SIDE, SIDE).clamp(-1, 1),
        "pose": _normal("pose", 2, 21, SIDE, SIDE).clamp(0, 1),
        "latents": _normal("latents", 2, 4, LATENT, LATENT),
        "timesteps": torch.tensor([981, 37]),
    }
