from __future__ import annotations

import pytest
import torch
from torch import nn

from cfld.models.swin import (
    SwinBlock,
    SwinTransformer,
    join_windows,
    relative_position_index,
    shifted_window_mask,
    split_windows,
)


def small(**changes: object) -> SwinTransformer:
    torch.manual_seed(0)
    arguments = {
        "image_size": 32,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": (2, 2),
        "num_heads": (1, 2),
        "window_size": 4,
        "drop_path_rate": 0.5,
    }
    return SwinTransformer(**{**arguments, **changes}).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(("side", "window"), [(8, 4), (6, 2), (4, 4), (9, 3)])
def test_joining_undoes_splitting(side: int, window: int) -> None:
    x = torch.randn(3, side, side, 5)
    windows = split_windows(x, window)
    assert windows.shape == (3 * (side // window) ** 2, window**2, 5)
    assert torch.equal(join_windows(windows, window, side), x)
    assert torch.equal(windows[0].reshape(window, window, 5), x[0, :window, :window])


@pytest.mark.parametrize(("side", "window", "shift"), [(8, 4, 2), (9, 3, 1), (16, 8, 4)])
def test_the_mask_separates_tokens_that_the_shift_brought_together(side: int, window: int, shift: int) -> None:
    """By brute force: two tokens attend to each other if they were in one window's reach before the cyclic shift."""
    mask = shifted_window_mask(side, window, shift)
    origin = torch.cartesian_prod(torch.arange(side), torch.arange(side)).reshape(side, side, 2)
    rolled = split_windows(origin.roll((-shift, -shift), dims=(0, 1))[None].float(), window)
    for tokens, allowed in zip(rolled, mask, strict=True):
        distance = (tokens[:, None] - tokens[None]).abs().amax(-1)
        assert torch.equal(allowed == 0, distance < window)
    assert set(mask.unique().tolist()) == {0.0, -100.0}


def test_each_offset_has_one_relative_position_index() -> None:
    window = 3
    index = relative_position_index(window)
    places = [(y, x) for y in range(window) for x in range(window)]
    names: dict[tuple[int, int], set[int]] = {}
    for i, (y1, x1) in enumerate(places):
        for j, (y2, x2) in enumerate(places):
            names.setdefault((y1 - y2, x1 - x2), set()).add(int(index[i, j]))
    assert all(len(rows) == 1 for rows in names.values())
    assert {row for rows in names.values() for row in rows} == set(range((2 * window - 1) ** 2))


def test_a_shifted_window_does_not_wrap_around() -> None:
    """A change in one corner does not reach the opposite one."""
    block = SwinBlock(8, resolution=8, num_heads=2, window_size=4, shift=2, drop_path=0).eval()
    x = torch.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[0, 0, 0] = torch.randn(8)
    with torch.no_grad():
        moved = (block(changed) - block(x)).abs().amax(-1)[0] > 1e-6
    assert moved[:2, :2].all()
    assert not moved[2:].any()
    assert not moved[:, 2:].any()


def test_scales() -> None:
    features = small()(torch.randn(2, 3, 32, 32))
    assert [tuple(f.shape) for f in features] == [(2, 8, 8, 8), (2, 16, 4, 4)]


def test_a_stage_smaller_than_the_window_is_one_unshifted_window() -> None:
    stage = small(window_size=8).layers[1]
    assert [(block.window_size, block.shift) for block in stage.blocks] == [(4, 0), (4, 0)]
    assert [block.shift for block in small().layers[0].blocks] == [0, 2]


@torch.no_grad()
def test_a_batch_is_its_samples() -> None:
    encoder, images = small(), torch.randn(3, 3, 32, 32)
    together = encoder(images)
    for i in range(3):
        for all_rows, alone in zip(together, encoder(images[i : i + 1]), strict=True):
            torch.testing.assert_close(all_rows[i : i + 1], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_drop_path_is_for_training_only() -> None:
    encoder, image = small(), torch.randn(1, 3, 32, 32)
    assert torch.equal(encoder(image)[1], encoder(image)[1])
    encoder.train()
    torch.manual_seed(0)
    assert not torch.equal(encoder(image)[1], encoder(image)[1])
    rates = [block.drop_path for stage in encoder.layers for block in stage.blocks]
    assert rates == pytest.approx([0, 0.5 / 3, 1 / 3, 0.5])


def test_drop_path_keeps_the_expectation() -> None:
    block = SwinBlock(8, resolution=4, num_heads=1, window_size=4, shift=0, drop_path=0.3).train()
    torch.manual_seed(0)
    dropped = block._drop_path(torch.ones(20_000, 1, 1, 1))
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])


def test_checkpointing_changes_no_gradient() -> None:
    encoder, image = small(drop_path_rate=0.0).train(), torch.randn(1, 3, 32, 32)

    def gradients() -> list[torch.Tensor]:
        encoder.zero_grad()
        encoder(image)[-1].square().sum().backward()
        return [parameter.grad.clone() for parameter in encoder.parameters()]

    plain = gradients()
    encoder.gradient_checkpointing = True
    assert all(torch.equal(a, b) for a, b in zip(plain, gradients(), strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"image_size": 30}, "divisible by 8"), ({"image_size": 40}, "cannot be divided into windows of 4")],
)
def test_sizes_that_do_not_divide_raise(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_images_of_another_size_raise() -> None:
    with pytest.raises(ValueError, match="32x32"):
        small()(torch.randn(1, 3, 64, 64))


def test_parameter_names_are_microsofts() -> None:
    names = set(dict(nn.Module.named_parameters(small())))
    assert "layers.0.blocks.1.attn.relative_position_bias_table" in names
    assert {
        "patch_embed.proj.weight",
        "layers.0.downsample.reduction.weight",
        "layers.1.blocks.0.mlp.fc1.bias",
    } <= names
    assert "layers.0.blocks.1.attn_mask" in small().state_dict()
