"""Features of images by the source encoder, for programs that compare people: re-identification, search, filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from cfld.inference.failures import Failures
from cfld.inputs import source_batch
from cfld.pipeline import CFLDPipeline

PROMPT = "prompt"


@torch.no_grad()
def encode_features(
    pipe: CFLDPipeline, images: Sequence[Image.Image], as_in_training: bool = False
) -> dict[str, NDArray[np.float32]]:
    """H_S and H_D: the means of f_1 .. f_4 over the image, (B, C_l), and `prompt`, F_d^out (B, Q, D).

    Args:
        as_in_training: see `CFLDPipeline.encode_source`.
    """
    conditioner = pipe.conditioner
    shape = None if as_in_training else tuple(pipe.config.output_size)
    batch = source_batch(images, conditioner.config.source_size, shape)
    maps = conditioner.source_encoder(batch.to(conditioner.device, conditioner.dtype))
    features = {f"f_{scale}": f_l.mean((2, 3)) for scale, f_l in enumerate(maps, start=1)}
    features[PROMPT] = conditioner.encode_prompt(maps)
    return {name: values.float().cpu().numpy() for name, values in features.items()}


def read_features(
    pipe: CFLDPipeline,
    images: Mapping[str, Callable[[], Image.Image]],
    failures: Failures,
    batch: int = 8,
    as_in_training: bool = False,
) -> tuple[list[str], dict[str, NDArray[np.float32]]]:
    """The names of the images that can be read, N of them, and their features as of `encode_features`.

    Args:
        images: name -> what reads it.
        failures: collects the images that cannot be read.
    """
    names: list[str] = []
    parts: list[dict[str, NDArray[np.float32]]] = []
    waiting: list[Image.Image] = []
    for number, (name, read) in enumerate(tqdm(images.items(), "features", unit="image", disable=None), start=1):
        with failures.item(name):
            waiting.append(read())
            names.append(name)
        if waiting and (len(waiting) == batch or number == len(images)):
            parts.append(encode_features(pipe, waiting, as_in_training))
            waiting.clear()
    kinds = parts[0] if parts else ()
    return names, {kind: np.concatenate([part[kind] for part in parts]) for kind in kinds}


def unit_prompts(features: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """(N, Q D): the prompts, of unit length; the inner product of two says how alike two people are dressed."""
    flat = features[PROMPT].reshape(len(features[PROMPT]), -1)
    unit: NDArray[np.float32] = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return unit
