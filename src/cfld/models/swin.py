"""H_S: the source image encoder, a Swin Transformer (Liu et al., ICCV 2021) that returns its four scales.

Parameter names are those of Microsoft's published weights, so that their files load unchanged.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class SwinTransformer(nn.Module):
    """Source image -> f_1..f_4 (paper section 3.2; Swin-B by default, section 4.1).

    The last scale is the raw output of the last stage, without a final norm, as in the authors' release.
    """

    def __init__(
        self,
        image_size: int = 256,
        patch_size: int = 4,
        embed_dim: int = 128,
        depths: Sequence[int] = (2, 2, 18, 2),
        num_heads: Sequence[int] = (4, 8, 16, 32),
        window_size: int = 16,
        drop_path_rate: float = 0.2,
    ) -> None:
        """
        Args:
            image_size: side of the square input in pixels; divisible by patch_size * 2^(stages - 1).
            window_size: side of an attention window in tokens; a smaller stage is one window, unshifted.
            drop_path_rate: probability of dropping the last block's residual in training; linearly less before it.
        """
        super().__init__()
        resolutions = [image_size // (patch_size * 2**stage) for stage in range(len(depths))]
        if image_size % (patch_size * 2 ** (len(depths) - 1)):
            raise ValueError(f"image_size {image_size} must be divisible by {patch_size * 2 ** (len(depths) - 1)}")
        rates = torch.linspace(0, drop_path_rate, sum(depths), device="cpu").tolist()
        self.image_size = image_size
        self.channels = tuple(embed_dim * 2**stage for stage in range(len(depths)))
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.layers = nn.ModuleList()
        for stage, (depth, heads, resolution) in enumerate(zip(depths, num_heads, resolutions, strict=True)):
            stage_rates = rates[sum(depths[:stage]) :][:depth]
            last = stage == len(depths) - 1
            window = min(window_size, resolution)
            self.layers.append(
                SwinStage(self.channels[stage], resolution, heads, window, stage_rates, downsample=not last)
            )
        self.gradient_checkpointing = False

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """
        Args:
            image: (B, 3, image_size, image_size) in [-1, 1].

        Returns:
            f_1..f_4: (B, C_l, H/p/2^(l-1), W/p/2^(l-1)) with patch size p.
        """
        if image.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(f"source images must be {self.image_size}x{self.image_size}, got {tuple(image.shape)}")
        x = self.patch_embed(image)  #           (B, H, W, C)
        features = []
        for stage in self.layers:
            f_l, x = stage(x, self.gradient_checkpointing)
            features.append(f_l)
        return tuple(features)


class PatchEmbed(nn.Module):
    """(B, 3, H, W) -> (B, H/p, W/p, C)."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(dim)

    def forward(self, image: Tensor) -> Tensor:
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class SwinStage(nn.Module):
    """Blocks at one scale, then patch merging to the next scale."""

    def __init__(
        self, dim: int, resolution: int, num_heads: int, window_size: int, drop_path: Sequence[float], downsample: bool
    ) -> None:
        super().__init__()
        shifts = (0, window_size // 2 if resolution > window_size else 0)
        self.blocks = nn.ModuleList(
            SwinBlock(dim, resolution, num_heads, window_size, shifts[i % 2], rate) for i, rate in enumerate(drop_path)
        )
        self.downsample = PatchMerging(dim) if downsample else None

    def forward(self, x: Tensor, gradient_checkpointing: bool) -> tuple[Tensor, Tensor]:
        """x: (B, H, W, C) -> f_l: (B, C, H, W), and the input of the next stage."""
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if gradient_checkpointing else block(x)
        return x.permute(0, 3, 1, 2), x if self.downsample is None else self.downsample(x)


class SwinBlock(nn.Module):
    """Pre-norm window attention and MLP with stochastic depth."""

    def __init__(
        self, dim: int, resolution: int, num_heads: int, window_size: int, shift: int, drop_path: float
    ) -> None:
        super().__init__()
        if resolution % window_size:
            raise ValueError(f"a stage of {resolution} tokens a side cannot be divided into windows of {window_size}")
        self.window_size, self.shift, self.drop_path = window_size, shift, drop_path
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window_size, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(OrderedDict(fc1=nn.Linear(dim, 4 * dim), act=nn.GELU(), fc2=nn.Linear(4 * dim, dim)))
        mask = shifted_window_mask(resolution, window_size, shift) if shift else None
        self.register_buffer("attn_mask", mask)  # persistent, as in Microsoft's files

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._drop_path(self._attend(self.norm1(x)))
        return x + self._drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        side = x.shape[1]
        x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        windows = self.attn(split_windows(x, self.window_size), self.attn_mask)
        return join_windows(windows, self.window_size, side).roll((self.shift, self.shift), dims=(1, 2))

    def _drop_path(self, residual: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return residual
        keep = 1 - self.drop_path
        return residual * residual.new_empty(len(residual), 1, 1, 1).bernoulli_(keep) / keep


class WindowAttention(nn.Module):
    """Multi-head self-attention in a window with a learned bias for each relative position."""

    relative_position_index: Tensor

    def __init__(self, dim: int, window_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.window_size = num_heads, window_size
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Computes the index buffer; call it after loading weights into a model built on the meta device."""
        self.register_buffer("relative_position_index", relative_position_index(self.window_size), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: (B windows, N, C) -> the same; mask: (windows, N, N) of 0 and -100, for shifted windows."""
        b, n, c = x.shape
        qkv = self.qkv(x).view(b, n, 3, self.num_heads, c // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  #                                (B windows, heads, N, C/heads)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1).to(q.dtype)
        if mask is not None:
            bias = (bias + mask[:, None].to(q.dtype)).repeat(b // len(mask), 1, 1, 1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(b, -1, -1, -1))
        return self.proj(x.transpose(1, 2).reshape(b, n, c))


class PatchMerging(nn.Module):
    """(B, H, W, C) -> (B, H/2, W/2, 2C): concatenates 2x2 neighbours, normalises and projects them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        neighbours = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        return self.reduction(self.norm(torch.cat(neighbours, dim=-1)))


def split_windows(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C) -> (B windows, window^2, C), image by image, the windows in row-major order."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.transpose(2, 3).reshape(-1, window * window, c)


def join_windows(windows: Tensor, window: int, side: int) -> Tensor:
    """The inverse of `split_windows` for a square map of `side` tokens."""
    n = side // window
    x = windows.view(-1, n, n, window, window, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, side, side, windows.shape[-1])


def relative_position_index(window: int) -> Tensor:
    """int64 (window^2, window^2): the row of the bias table for the offset between two tokens."""
    position = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    offset = position[:, None] - position[None] + window - 1
    return offset[..., 0] * (2 * window - 1) + offset[..., 1]


def shifted_window_mask(side: int, window: int, shift: int) -> Tensor:
    """float32 (windows, window^2, window^2): -100 between tokens that share a window only through the cyclic shift."""
    band = torch.zeros(side)
    band[-shift:] = 1
    region = split_windows((2 * band[:, None] + band[None])[None, ..., None], window).squeeze(-1)
    return torch.where(region[:, :, None] == region[:, None], 0.0, -100.0)
