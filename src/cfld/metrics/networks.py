"""Inception-v3, AlexNet and VGG16 without their classifiers, with torchvision's parameter names, so that its published
weights load key by key. Sources: Szegedy et al., 2016; Krizhevsky, 2014; Simonyan and Zisserman, 2015; pytorch-fid for
the differences in the TensorFlow port of Inception-v3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.metrics.protocols import BackboneKind, InceptionKind

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
INCEPTION_SIDE: Final = 299


class Conv(NamedTuple):
    """A convolution of Inception-v3. Without a stride it is padded to keep the size, unless `padded` is false."""

    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


Branch: TypeAlias = "Sequence[Conv | tuple[Conv, Conv]]"
"""Consecutive convolutions; the two in a tuple run in parallel on the output of the one before."""


class BasicConv2d(nn.Module):
    def __init__(self, channels_in: int, conv: Conv) -> None:
        super().__init__()
        pads = conv.padded and conv.stride == 1
        padding = (conv.kernel[0] // 2, conv.kernel[1] // 2) if pads else (0, 0)
        self.conv = nn.Conv2d(channels_in, conv.channels, conv.kernel, conv.stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(conv.channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """An Inception block: parallel branches, concatenated in order; the last one pools."""

    def __init__(
        self, channels_in: int, branches: Mapping[str, Branch], pool: nn.Module, pool_channels: int = 0
    ) -> None:
        """
        Args:
            pool_channels: output channels of the 1x1 convolution after the pooling; 0 = no convolution.
        """
        super().__init__()
        self.pool = pool
        self._paths = {name: self._add(name, channels_in, branch) for name, branch in branches.items()}
        self.branch_pool = BasicConv2d(channels_in, Conv(pool_channels)) if pool_channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        outputs = [output for path in self._paths.values() for output in self._run(path, x)]
        return torch.cat([*outputs, self.branch_pool(self.pool(x))], dim=1)

    def _add(self, name: str, channels_in: int, branch: Branch) -> list[tuple[str, ...]]:
        """Registers the convolutions of a branch under torchvision's names; returns these, one tuple per step."""
        path: list[tuple[str, ...]] = []
        for number, step in enumerate(branch, start=1):
            stem = name if len(branch) == 1 else f"{name}_{number}"
            convs = (step,) if isinstance(step, Conv) else step
            names = (stem,) if len(convs) == 1 else (f"{stem}a", f"{stem}b")
            for conv_name, conv in zip(names, convs, strict=True):
                self.add_module(conv_name, BasicConv2d(channels_in, conv))
            channels_in = convs[0].channels
            path.append(names)
        return path

    def _run(self, path: list[tuple[str, ...]], x: Tensor) -> list[Tensor]:
        outputs = [x]
        for names in path:
            outputs = [self.get_submodule(name)(outputs[0]) for name in names]
        return outputs


class InceptionV3(nn.Module):
    """Inception-v3 up to the 2048 features before the classifier."""

    def __init__(self, kind: InceptionKind) -> None:
        """
        Args:
            kind: `imagenet`: torchvision's network. `tensorflow`: the original network of FID, whose average pooling
                excludes the padding and whose last block uses max pooling.
        """
        super().__init__()
        self.kind = kind
        self.Conv2d_1a_3x3 = BasicConv2d(3, Conv(32, (3, 3), stride=2))
        self.Conv2d_2a_3x3 = BasicConv2d(32, Conv(32, (3, 3), padded=False))
        self.Conv2d_2b_3x3 = BasicConv2d(32, Conv(64, (3, 3)))
        self.Conv2d_3b_1x1 = BasicConv2d(64, Conv(80))
        self.Conv2d_4a_3x3 = BasicConv2d(80, Conv(192, (3, 3), padded=False))
        for name, block in _mixed_blocks(kind).items():
            self.add_module(name, block)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], resized bilinearly to 299x299 without antialiasing -> (B, 2048)."""
        x = F.interpolate(images, size=(INCEPTION_SIDE, INCEPTION_SIDE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(self._normalise(x))))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = F.max_pool2d(x, 3, stride=2)
        for block in self.children():
            x = block(x) if isinstance(block, Mixed) else x
        return x.mean(dim=(2, 3))

    def _normalise(self, x: Tensor) -> Tensor:
        if self.kind == "tensorflow":
            return 2 * x - 1
        mean, std = (x.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return x * (std / 0.5) + (mean - 0.5) / 0.5


def _mixed_blocks(kind: InceptionKind) -> dict[str, Mixed]:
    average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=kind == "imagenet")
    last = average if kind == "imagenet" else nn.MaxPool2d(3, stride=1, padding=1)
    halve = nn.MaxPool2d(3, stride=2)
    return {
        "Mixed_5b": Mixed(192, _A, average, 32),
        "Mixed_5c": Mixed(256, _A, average, 64),
        "Mixed_5d": Mixed(288, _A, average, 64),
        "Mixed_6a": Mixed(288, _B, halve),
        **{f"Mixed_6{x}": Mixed(768, _c(c), average, 192) for x, c in zip("bcde", (128, 160, 160, 192), strict=True)},
        "Mixed_7a": Mixed(768, _D, halve),
        "Mixed_7b": Mixed(1280, _E, average, 192),
        "Mixed_7c": Mixed(2048, _E, last, 192),
    }


_ROW, _COLUMN = (1, 7), (7, 1)
_FORK: Final = (Conv(384, (1, 3)), Conv(384, (3, 1)))
_A: Final[dict[str, Branch]] = {
    "branch1x1": [Conv(64)],
    "branch5x5": [Conv(48), Conv(64, (5, 5))],
    "branch3x3dbl": [Conv(64), Conv(96, (3, 3)), Conv(96, (3, 3))],
}
_B: Final[dict[str, Branch]] = {
    "branch3x3": [Conv(384, (3, 3), stride=2)],
    "branch3x3dbl": [Conv(64), Conv(96, (3, 3)), Conv(96, (3, 3), stride=2)],
}
_D: Final[dict[str, Branch]] = {
    "branch3x3": [Conv(192), Conv(320, (3, 3), stride=2)],
    "branch7x7x3": [Conv(192), Conv(192, _ROW), Conv(192, _COLUMN), Conv(192, (3, 3), stride=2)],
}
_E: Final[dict[str, Branch]] = {
    "branch1x1": [Conv(320)],
    "branch3x3": [Conv(384), _FORK],
    "branch3x3dbl": [Conv(448), Conv(384, (3, 3)), _FORK],
}


def _c(c: int) -> dict[str, Branch]:
    return {
        "branch1x1": [Conv(192)],
        "branch7x7": [Conv(c), Conv(c, _ROW), Conv(192, _COLUMN)],
        "branch7x7dbl": [Conv(c), Conv(c, _COLUMN), Conv(c, _ROW), Conv(c, _COLUMN), Conv(192, _ROW)],
    }


class Backbone(nn.Module):
    """The convolutions of AlexNet or VGG16, returning the activations that LPIPS compares."""

    def __init__(self, kind: BackboneKind) -> None:
        super().__init__()
        layers = _alexnet() if kind == "alex" else _vgg16()
        self.features = nn.Sequential(*layers)
        self._taps = (1, 4, 7, 9, 11) if kind == "alex" else (3, 8, 15, 22, 29)
        self.channels = tuple(
            next(layer.out_channels for layer in layers[tap::-1] if isinstance(layer, nn.Conv2d)) for tap in self._taps
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised images (B, 3, H, W) -> five activations (B, C, h, w)."""
        activations = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                activations.append(x)
        return activations


def _alexnet() -> list[nn.Module]:
    return [
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _vgg16() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels_in = 3
    for repeats, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(repeats):
            layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU()]
            channels_in = channels
        layers.append(nn.MaxPool2d(2, stride=2))
    return layers[:-1]
