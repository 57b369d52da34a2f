"""What the small networks of mannequins share: blocks, their folders, training images, and the training loop."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from cfld.config.schema import OptimConfig
from cfld.data.base import PoseDataset
from cfld.digests import ABSENT, Record, json_digest
from cfld.files import replacing, replacing_all
from cfld.mannequin.network_config import NetworkConfig
from cfld.readers.tensors import load_safetensors, map_array
from cfld.readers.text import load_object
from cfld.training.optim import learning_rate_factor, make_optimizer

logger = logging.getLogger(__name__)

WEIGHTS: Final = "model.safetensors"
CONFIGURATION: Final = "config.json"


class SmallNetwork(nn.Module):
    """A network that is saved with the arguments that it was made with.

    Attributes:
        command: of `cfld`, that trains it.
    """

    command: ClassVar[str]

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments


Network = TypeVar("Network", bound=SmallNetwork)
Trained = TypeVar("Trained", bound=nn.Module)


def conv(width_in: int, width_out: int, stride: int = 1, activation: bool = True) -> nn.Sequential:
    """3x3 convolution and batch normalisation, then ReLU."""
    convolution = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
    layers = [convolution, nn.BatchNorm2d(width_out)]
    return nn.Sequential(*layers, nn.ReLU()) if activation else nn.Sequential(*layers)


class Residual(nn.Module):
    """Two convolutions beside the identity (He et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def save_network(network: SmallNetwork, folder: Path) -> None:
    """Writes `config.json` and the weights, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().cpu().half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    with replacing_all(folder / WEIGHTS, folder / CONFIGURATION) as (weights, configuration):
        weights.write_bytes(save(state))
        configuration.write_text(json.dumps(network.arguments) + "\n", encoding="utf-8")


def load_network(kind: type[Network], folder: Path) -> Network:
    """Loads a network that `save_network` wrote, in evaluation mode and float32.

    Raises:
        ValueError: if the folder holds no such network, or its weights do not fit; the message names the folder.
    """
    try:
        network = kind(**load_object(folder / CONFIGURATION))
        network.load_state_dict(load_safetensors(folder / WEIGHTS))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{folder}: not of {kind.__name__} ({reason}); expected a folder that cfld {kind.command} train wrote"
        ) from None
    return network.float().eval().requires_grad_(False)


def render_pixels(dataset: PoseDataset, size: tuple[int, int], file: Path) -> NDArray[np.uint8]:
    """All images of a data set as uint8 (N, H, W, 3), memory-mapped.

    They are read from `file` if it was written for just these images, else rendered into it.

    Args:
        size: (height, width) of the images.
    """
    record, origin = Record(file.parent), {"images": json_digest([size, *map(dataset.digest, dataset.names)])}
    if problem := record.problem(file, origin):
        if problem != ABSENT:
            logger.warning("%s: rendered again: %s", file, problem)
        shape = (len(dataset.names), *size, 3)
        with replacing(file) as temporary, temporary.open("wb") as pixels:  # not mapped: a full disk would be a SIGBUS
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(pixels, header)
            for name in tqdm(dataset.names, desc="rendering", unit="image", disable=None):
                pixels.write(dataset.image(name).permute(1, 2, 0).numpy().tobytes())
        record.add(file, origin)
    return map_array(file)


def fit(
    network: Trained,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss_of: Callable[[Any, Tensor], Tensor],
    config: NetworkConfig,
    *,
    dtype: torch.dtype,
) -> Trained:
    """Trains a network with Muon; the learning rate falls linearly to zero over the second half.

    Args:
        batches: `config.steps` pairs of images (B, 3, H, W) in [-1, 1] and what they show.
        loss_of: the network's output and what the images show -> loss.
        dtype: of the forward pass.

    Raises:
        FloatingPointError: if the loss is not finite; the message gives the step.
    """
    optim = OptimConfig(
        optimizer="muon", learning_rate=config.learning_rate, warmup_steps=100, decay="linear", decay_by=0.0
    )
    optimizer = make_optimizer(dict(network.train().named_parameters()), optim)
    bar = tqdm(batches, total=config.steps, desc="training", unit="step", disable=None)
    for step, (images, shown) in enumerate(bar):
        for group in optimizer.param_groups:
            group["lr"] = optim.learning_rate * learning_rate_factor(step, config.steps, optim)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            output = network(images.contiguous(memory_format=torch.channels_last))
        loss = loss_of(output, shown)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss {loss.item()} at step {step + 1}; choose a smaller learning_rate")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix_str(f"loss {loss.item():.3f}", refresh=False)
    return network.eval()
