"""The dtype `auto`: what computes a block of the UNet fastest on this machine, timed once and remembered."""

from __future__ import annotations

import math
import os
import platform
import time
from pathlib import Path
from typing import Final

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D

from cfld.engines.openvino import computes_in_bfloat16
from cfld.files import save_json
from cfld.readers.text import load_object

CANDIDATES: Final = {
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
    "mps": ("float32", "float16"),
}
"""Device type -> dtypes."""
MARGIN: Final = 1.1
"""How many times as fast as float32 another dtype must be."""
FILE: Final = "dtypes.json"
WIDTH, SIDE, PROMPT, TIME = 320, 16, 768, 1280
"""Of the finest block of the paper's UNet, at a quarter of its area at 256x256."""
PATIENCE: Final = 0.5
"""Seconds for each dtype, after which a call that is under way is the last."""


def fastest_dtype(device: torch.device, engine: str, cache: Path) -> str:
    """The fastest dtype of a device.

    With engine openvino, bfloat16 where the processor has units for it. Otherwise one block of the UNet is timed in
    each dtype, which takes a second; a file in `cache` keeps the result for each machine, device and version of torch.

    Raises:
        ValueError: naming the file, when it is damaged, and for an engine that is not installed.
    """
    if engine == "openvino":
        return "bfloat16" if computes_in_bfloat16() else "float32"
    file = cache.expanduser() / FILE
    known, key = load_object(file) if file.is_file() else {}, machine(device)
    if key not in known:
        seconds = {name: block_seconds(device, name) for name in CANDIDATES[device.type]}
        seconds["float32"] /= MARGIN
        known[key] = min(seconds, key=seconds.__getitem__)
        save_json(known, file)
    dtype: str = known[key]
    if dtype not in CANDIDATES[device.type]:
        raise ValueError(f"{file}: {str(dtype)[:40]!r} is not a dtype; remove the file")
    return dtype


def machine(device: torch.device) -> str:
    """What the speed of a dtype depends on, in words."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_processor()}, {os.cpu_count()} cores"
    return f"{device.type}, {name}, torch {torch.__version__}, {torch.get_num_threads()} threads"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


@torch.no_grad()
def block_seconds(device: torch.device, dtype: str) -> float:
    """Seconds of a residual block and a transformer block, the best of a few calls."""
    options = {"device": device, "dtype": getattr(torch, dtype)}
    residual = ResnetBlock2D(in_channels=WIDTH, temb_channels=TIME).to(**options)
    attention = BasicTransformerBlock(WIDTH, 8, WIDTH // 8, cross_attention_dim=PROMPT).to(**options)
    x, temb, prompt = (torch.randn(2, *shape, **options) for shape in ((WIDTH, SIDE, SIDE), (TIME,), (16, PROMPT)))
    begin, best = time.perf_counter(), math.inf
    while math.isinf(best) or time.perf_counter() - begin < PATIENCE:
        start = time.perf_counter()
        y = attention(residual(x, temb).flatten(2).transpose(1, 2), encoder_hidden_states=prompt)
        y.sum().item()  # waits for the device
        best = min(best, time.perf_counter() - start)
    return best
