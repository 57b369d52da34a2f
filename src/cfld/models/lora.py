"""Low-rank updates of a model's weights (LoRA, Hu et al., 2022), merged into the weights before these are used.

Merged weights cost nothing in sampling, and the method's attention processors need not know of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

LAYERS: Final = (nn.Linear, nn.Conv2d)


class LowRankUpdate(nn.Module):
    """A low-rank update of the weight of every linear layer and convolution of a model; at first it is zero."""

    def __init__(self, model: nn.Module, rank: int, scale: float = 1.0) -> None:
        """
        Args:
            model: gives names and shapes; it is neither kept nor changed.
            rank: of the updates, at most the number of a layer's inputs or outputs.
            scale: factor of the updates; with a larger one they change faster at the same learning rate.
        """
        super().__init__()
        self.scale = scale
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name, weight in layer_weights(model).items():
            rows, columns = weight.flatten(1).shape
            r = min(rank, rows, columns)
            self.down[_key(name)] = nn.Parameter(torch.randn(r, columns) / math.sqrt(columns))
            self.up[_key(name)] = nn.Parameter(torch.zeros(rows, r))

    def merged(self, model: nn.Module) -> dict[str, Tensor]:
        """The updated weights of the model by parameter name, in float32, for `torch.func.functional_call`."""
        weights = layer_weights(model)
        with torch.autocast(next(iter(weights.values())).device.type, enabled=False):
            return {
                f"{name}.weight": weight + self.scale * (self.up[_key(name)] @ self.down[_key(name)]).view_as(weight)
                for name, weight in weights.items()
            }

    def lora_state(self, model: nn.Module) -> dict[str, Tensor]:
        """The update in the layout of diffusers and PEFT: `lora_A` and `lora_B` of each layer, shaped as its weight."""
        state: dict[str, Tensor] = {}
        for name, weight in layer_weights(model).items():
            down, up = self.down[_key(name)].detach(), self.scale * self.up[_key(name)].detach()
            state[f"{name}.lora_A.weight"] = down.view(-1, *weight.shape[1:])
            state[f"{name}.lora_B.weight"] = up.view(*up.shape, *(1 for _ in weight.shape[2:]))
        return state


def layer_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of linear layers and convolutions by the layer's name."""
    return {name: layer.weight for name, layer in model.named_modules() if isinstance(layer, LAYERS)}


@torch.no_grad()
def fuse(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Adds the updates of a LoRA file, as of `lora_state`, to the weights of a model.

    Raises:
        ValueError: naming the first key that does not fit the model, which then stays as it is.
    """
    weights, rest, changes = layer_weights(model), dict(state), []
    for name, weight in weights.items():
        down, up = (rest.pop(f"{name}.lora_{part}.weight", None) for part in "AB")
        if down is None and up is None:
            continue
        if down is None or up is None or (up.shape[0], *down.shape[1:]) != weight.shape or up.shape[1] != len(down):
            raise ValueError(f"the LoRA of {name} does not fit the layer's weight {tuple(weight.shape)}")
        changes.append((weight, down, up))
    if rest:
        raise ValueError(f"the LoRA has {next(iter(rest))}, which belongs to no layer of the model")
    for weight, down, up in changes:
        weight.add_((up.flatten(1).float() @ down.flatten(1).float()).view_as(weight).to(weight))


def _key(name: str) -> str:
    return name.replace(".", "/")
