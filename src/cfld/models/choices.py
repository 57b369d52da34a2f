"""Options of the models by name. Imports no torch, so that configurations and help texts can use them."""

from __future__ import annotations

from typing import Literal

DropoutMode = Literal["joint", "prompt", "independent"]
"""Which conditions are dropped together in training; see `models.conditioner.sample_dropout`."""
TrainableWeights = Literal["kv", "qkv", "all"]
"""Which weights of the UNet train; see `models.unet.freeze_except`."""
