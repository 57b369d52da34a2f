"""A small network that reads a mannequin's attributes from an image, and its features for a Fréchet distance."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from cfld import mannequin
from cfld.mannequin.drawing.attributes import VALUES, view
from cfld.mannequin.networks import Residual, SmallNetwork, conv

BUNDLED: Final = Path(__file__).parents[2] / "assets" / "mannequin-attributes"
INPUT_SIZE: Final = (192, 132)
"""(height, width) of the input."""
ROLES: Final = ("upper", "upper colour", "upper pattern", "lower", "lower colour", "lower pattern", "hair", "motif")
"""The attributes that are read."""
NOT_SEEN: Final = -100
"""Target of an attribute that the image does not show; the loss and the figures leave it out."""


class AttributeNetwork(SmallNetwork):
    """Residual stages at 1/4, 1/8 and 1/16 of the input; each attribute is read where a map of its own says."""

    command = "attribute-net"

    def __init__(self, widths: tuple[int, int, int, int] = (24, 40, 64, 80)) -> None:
        """
        Args:
            widths: channels at 1/2, 1/4, 1/8 and 1/16 of the input.
        """
        super().__init__(widths=widths)
        a, b, c, d = widths
        self.stages = nn.Sequential(
            conv(3, a, stride=2),
            *(conv(a, b, stride=2), Residual(b), Residual(b)),
            *(conv(b, c, stride=2), Residual(c), Residual(c)),
            *(conv(c, d, stride=2), Residual(d)),
        )
        self.places = nn.Conv2d(d, len(ROLES), 1)
        self.values = nn.ModuleList(nn.Linear(d, len(VALUES[role])) for role in ROLES)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> logits (B, number of values) of each of `ROLES`."""
        return self.read(self.maps(images))

    def maps(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, d, h, w); their means are the features of an image."""
        return torch.as_tensor(self.stages(images))

    def read(self, maps: Tensor) -> list[Tensor]:
        """(B, d, h, w) -> logits as of `forward`."""
        places = self.places(maps).flatten(2).softmax(-1)  #        (B, R, h w)
        found = places @ maps.flatten(2).transpose(1, 2)  #         (B, R, d)
        return [values(found[:, role]) for role, values in enumerate(self.values)]


def targets(identity: mannequin.Identity, pose: mannequin.BodyPose) -> list[int]:
    """The number of the value of each of `ROLES`; the motif on the chest is seen from the front only."""
    words = dict(word.split(": ") for word in mannequin.describe(identity) if word)
    if "front" not in view(pose):
        words["motif"] = ""
    return [VALUES[role].index(words[role]) if words[role] else NOT_SEEN for role in ROLES]
