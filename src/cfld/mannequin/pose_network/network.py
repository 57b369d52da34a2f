"""A small network that predicts the 18 joints of one mannequin as heat maps at a quarter of the image size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.files import replacing_all
from cfld.poses.skeleton import NUM_JOINTS
from cfld.readers.tensors import load_safetensors
from cfld.readers.text import load_object

INPUT_SIZE: Final = (128, 96)
"""(height, width) of the input."""
CELL: Final = 4
"""Side of a heat map cell, in pixels of the input."""
NEIGHBOURHOOD: Final = 2
"""The position is averaged over this many cells on each side of the peak."""
WEIGHTS: Final = "model.safetensors"
CONFIGURATION: Final = "config.json"


class PoseNetwork(nn.Module):
    """Residual stages at 1/4, 1/8, 1/16 and 1/32 of the input, and a feature pyramid (Lin et al., 2017) back to 1/4."""

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 128, 128), top: int = 48) -> None:
        """
        Args:
            widths: channels of the stages, finest first.
            top: channels of the finest level of the pyramid.
        """
        super().__init__()
        self.widths, self.top = tuple(widths), top
        a, b, c, d = widths
        self.stem = nn.Sequential(_conv(3, 24, stride=2), _conv(24, a, stride=2), _Residual(a))
        self.down = nn.ModuleList(
            [
                nn.Sequential(_conv(a, b, stride=2), _Residual(b), _Residual(b)),
                nn.Sequential(_conv(b, c, stride=2), _Residual(c), _Residual(c)),
                nn.Sequential(_conv(c, d, stride=2), _Residual(d)),
            ]
        )
        self.lateral = nn.ModuleList([nn.Conv2d(a, top, 1), nn.Conv2d(b, b, 1), nn.Conv2d(c, b, 1)])
        self.reduce = nn.ModuleList([nn.Conv2d(b, top, 1), nn.Identity(), nn.Conv2d(d, b, 1)])
        self.smooth = nn.ModuleList([_conv(top, top), _conv(b, b), _conv(b, b)])
        self.maps = nn.Conv2d(top, NUM_JOINTS, 1)
        self.presence = nn.Linear(d, NUM_JOINTS)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts position and presence of each joint.

        Args:
            images: (B, 3, H, W) in [-1, 1], H and W multiples of 32.

        Returns:
            heat maps (B, 18, H/4, W/4): logits of a softmax over each map; presence (B, 18): logits.
        """
        scales = [self.stem(images)]
        for down in self.down:
            scales.append(down(scales[-1]))
        x = scales[-1]
        for i in reversed(range(len(self.lateral))):
            x = F.interpolate(self.reduce[i](x), scale_factor=2.0) + self.lateral[i](scales[i])
            x = self.smooth[i](x)
        return self.maps(x), self.presence(scales[-1].mean(dim=(2, 3)))


@dataclass(frozen=True, eq=False)
class Located:
    """Joint positions decoded from heat maps.

    Attributes:
        yx: (B, J, 2) in pixels of the input.
        share: (B, J), the share of the softmax around the peak; a low share means an uncertain position.
    """

    yx: Tensor
    share: Tensor


def locate(maps: Tensor) -> Located:
    """Decodes heat maps (B, J, h, w): the mean of the cells around the peak, weighted by the softmax of the map."""
    height, width = maps.shape[2:]
    flat = maps.flatten(2).softmax(-1)
    highest = flat.argmax(-1)  # (B, J)
    rows = torch.arange(height, device=maps.device).repeat_interleave(width)  # (h w)
    columns = torch.arange(width, device=maps.device).repeat(height)
    distance = torch.maximum(
        (rows - rows[highest][..., None]).abs(), (columns - columns[highest][..., None]).abs()
    )  # (B, J, h w)
    near = flat * (distance <= NEIGHBOURHOOD)
    share = near.sum(-1)
    cells = torch.stack([near @ rows.to(near), near @ columns.to(near)], dim=-1) / share[..., None]
    return Located((cells + 0.5) * CELL - 0.5, share)


def save_network(network: PoseNetwork, folder: Path) -> None:
    """Writes `config.json` and the weights, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().cpu().half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    with replacing_all(folder / WEIGHTS, folder / CONFIGURATION) as (weights, configuration):
        weights.write_bytes(save(state))
        configuration.write_text(json.dumps({"widths": network.widths, "top": network.top}) + "\n", encoding="utf-8")


def load_network(folder: Path) -> PoseNetwork:
    """Loads a network that `save_network` wrote, in evaluation mode and float32.

    Raises:
        ValueError: if the folder holds no pose network, or its weights do not fit; the message names the folder.
    """
    try:
        network = PoseNetwork(**load_object(folder / CONFIGURATION))
        network.load_state_dict(load_safetensors(folder / WEIGHTS))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{folder}: no pose network ({reason}); expected a folder that cfld pose-net train wrote"
        ) from None
    return network.float().eval().requires_grad_(False)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def _conv(width_in: int, width_out: int, stride: int = 1, activation: bool = True) -> nn.Sequential:
    """3x3 convolution and batch normalisation, then ReLU."""
    convolution = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
    layers = [convolution, nn.BatchNorm2d(width_out)]
    return nn.Sequential(*layers, nn.ReLU()) if activation else nn.Sequential(*layers)
