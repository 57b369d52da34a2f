from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from cfld.build import unet_arguments
from cfld.config.presets import tiny_model


@pytest.fixture
def stock() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**unet_arguments(tiny_model().unet)).eval()
