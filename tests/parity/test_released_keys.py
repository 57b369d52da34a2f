"""The released checkpoint's 1,400 names and shapes against the modules at published dimensions."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch
from torch import Tensor

from cfld.build import build_conditioner, build_unet
from cfld.config.schema import ConditionerConfig, UNetConfig
from cfld.convert import CONDITIONER_FILE, UNET_FILE, compare, rename_conditioner, rename_unet

KEYS = Path(__file__).parent / "golden" / "official_checkpoint_keys.json.gz"


def released(file: str) -> dict[str, Tensor]:
    """The file's content without its weights."""
    shapes = json.loads(gzip.decompress(KEYS.read_bytes()))[file]
    return {key: torch.empty(shape, device="meta") for key, (shape, _) in shapes.items()}


def test_released_files_fit_the_published_dimensions() -> None:
    with torch.device("meta"):
        conditioner, unet = build_conditioner(ConditionerConfig()), build_unet(UNetConfig())
    encoders = len(conditioner.appearance_encoders)
    assert compare(conditioner, rename_conditioner(released(CONDITIONER_FILE), encoders)) == []
    assert compare(unet, rename_unet(released(UNET_FILE))) == []
    assert len(released(CONDITIONER_FILE)) > 600
    assert len(released(UNET_FILE)) == 686
