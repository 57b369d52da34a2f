"""A small network that predicts the 18 joints of one mannequin as heat maps at a quarter of the image size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.mannequin.networks import Residual, SmallNetwork, conv
from cfld.poses.skeleton import NUM_JOINTS

INPUT_SIZE: Final = (128, 96)
"""(height, width) of the input."""
CELL: Final = 4
"""Side of a heat map cell, in pixels of the input."""
NEIGHBOURHOOD: Final = 2
"""The position is averaged over this many cells on each side of the peak."""


class PoseNetwork(SmallNetwork):
    """Residual stages at 1/4, 1/8, 1/16 and 1/32 of the input, and a feature pyramid (Lin et al., 2017) back to 1/4."""

    command = "pose-net"

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 128, 128), top: int = 48) -> None:
        """
        Args:
            widths: channels of the stages, finest first.
            top: channels of the finest level of the pyramid.
        """
        super().__init__(widths=widths, top=top)
        a, b, c, d = widths
        self.stem = nn.Sequential(conv(3, 24, stride=2), conv(24, a, stride=2), Residual(a))
        self.down = nn.ModuleList(
            [
                nn.Sequential(conv(a, b, stride=2), Residual(b), Residual(b)),
                nn.Sequential(conv(b, c, stride=2), Residual(c), Residual(c)),
                nn.Sequential(conv(c, d, stride=2), Residual(d)),
            ]
        )
        self.lateral = nn.ModuleList([nn.Conv2d(a, top, 1), nn.Conv2d(b, b, 1), nn.Conv2d(c, b, 1)])
        self.reduce = nn.ModuleList([nn.Conv2d(b, top, 1), nn.Identity(), nn.Conv2d(d, b, 1)])
        self.smooth = nn.ModuleList([conv(top, top), conv(b, b), conv(b, b)])
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
