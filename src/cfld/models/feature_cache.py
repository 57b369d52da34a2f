"""Deep features of the UNet, kept over several of its calls (DeepCache, Ma et al., CVPR 2024).

`attach` changes the forward of some modules of the stock UNet, and `detach` changes it back. An attached UNet computes
what it did before, except within `reused`: there every so many calls run the whole UNet and keep what enters its last
layer, and the calls between run the first convolution and the last layer alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor, nn


@dataclass
class Features:
    """What one batch of a sampling run keeps: the output of the last layer but one, and the calls so far."""

    every: int
    calls: int = 0
    kept: Tensor | None = None

    @property
    def reusable(self) -> bool:
        return self.calls % self.every != 0


_FEATURES: ContextVar[Features | None] = ContextVar("features", default=None)


@contextmanager
def reused(features: Features) -> Iterator[None]:
    """One call of an attached UNet, in this thread, that fills or uses `features`."""
    token = _FEATURES.set(features)
    try:
        yield
        features.calls += 1
    finally:
        _FEATURES.reset(token)


class Forward:
    """The forward of a module while the cache is attached: where features are reused, it computes nothing."""

    def __init__(self, module: nn.Module, output: Callable[[Tensor], Any], keeps: bool = False) -> None:
        """
        Args:
            output: a tensor in the form of the module's output.
            keeps: whether the output is what is kept; other modules hand on their input.
        """
        self.module, self.output, self.keeps = module, output, keeps
        self.previous = module.__dict__.get("forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        features = _FEATURES.get()
        if features is not None and features.reusable:
            x: Any = features.kept if self.keeps else args[0] if args else kwargs["hidden_states"]
            return self.output(x)
        result = (self.previous or type(self.module).forward.__get__(self.module))(*args, **kwargs)
        if features is not None and self.keeps:
            features.kept = result[0] if isinstance(result, tuple) else result
        return result


def attach(unet: UNet2DConditionModel) -> None:
    """Attaches the cache, unless it is."""
    if not is_attached(unet):
        for module, output, keeps in _modules(unet):
            module.forward = Forward(module, output, keeps)


def detach(unet: UNet2DConditionModel) -> None:
    """Undoes `attach`."""
    for module in unet.modules():
        forward = module.__dict__.get("forward")
        if isinstance(forward, Forward):
            del module.forward
            if forward.previous is not None:
                module.forward = forward.previous


def is_attached(unet: UNet2DConditionModel) -> bool:
    return any(isinstance(module.__dict__.get("forward"), Forward) for module in unet.modules())


def _modules(unet: UNet2DConditionModel) -> Iterator[tuple[nn.Module, Callable[[Tensor], Any], bool]]:
    """What most calls skip, all but the first convolution and the last layer; their outputs; whether it is kept."""
    *deep, last = unet.up_blocks
    for block in unet.down_blocks:  # with the outputs of their layers, which the skipped up blocks do not use
        yield block, functools.partial(_with_skips, len(block.resnets) + len(block.downsamplers or ())), False
    for block in filter(None, (unet.mid_block, *deep)):
        yield block, _alone, False
    attentions = list(getattr(last, "attentions", ()))[:-1]
    layers = [(resnet, _alone) for resnet in last.resnets[:-1]] + [(attention, _tuple) for attention in attentions]
    for layer, output in layers:
        yield layer, output, layer is layers[-1][0]


def _alone(x: Tensor) -> Tensor:
    return x


def _tuple(x: Tensor) -> tuple[Tensor]:
    return (x,)


def _with_skips(count: int, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    return x, (x,) * count
