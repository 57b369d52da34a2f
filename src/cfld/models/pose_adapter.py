"""H_P: the pose adapter, pose map -> one feature map per down block (section 3.2; T2I-Adapter, Mou et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn


class PoseAdapter(nn.Module):
    """Pixel-unshuffle, a 1x1 convolution, and one residual block per scale with average pooling between them."""

    def __init__(
        self,
        in_channels: int = 21,
        channels: Sequence[int] = (320, 640, 1280),
        downscale: int = 4,
        norm_groups: int = 32,
    ) -> None:
        """
        Args:
            in_channels: channels of the pose map: 3 of the skeleton image, 18 heat maps.
            channels: of the UNet's first down blocks.
            downscale: side of the pose map divided by the side of the latents.
        """
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(downscale)
        self.conv_in = nn.Conv2d(in_channels * downscale**2, channels[0], kernel_size=1)
        self.resnets = nn.ModuleList(
            ResnetBlock2D(in_channels=width_in, out_channels=width_out, temb_channels=None, groups=norm_groups)
            for width_in, width_out in zip([channels[0], *channels], channels, strict=False)
        )
        self.downsample = nn.AvgPool2d(2)

    def forward(self, pose_map: Tensor) -> tuple[Tensor, ...]:
        """(B, 21, H, W) in [0, 1] -> (B, C_i, h/2^i, w/2^i) for each scale i, to be added to down block i."""
        x = self.conv_in(self.unshuffle(pose_map))  #            (B, C_0, h, w)
        features = []
        for i, resnet in enumerate(self.resnets):
            x = resnet(self.downsample(x) if i else x, None)
            features.append(x)
        return tuple(features)
