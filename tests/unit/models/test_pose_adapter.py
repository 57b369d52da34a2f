from __future__ import annotations

import pytest
import torch

from cfld.models.pose_adapter import PoseAdapter


@pytest.mark.parametrize(("downscale", "side"), [(4, 32), (2, 24)])
def test_one_feature_map_per_scale(downscale: int, side: int) -> None:
    adapter = PoseAdapter(in_channels=21, channels=(8, 16, 24), downscale=downscale, norm_groups=4)
    features = adapter(torch.rand(2, 21, side, side))
    latent = side // downscale
    assert [tuple(f.shape) for f in features] == [
        (2, c, latent // 2**i, latent // 2**i) for i, c in enumerate((8, 16, 24))
    ]


@torch.no_grad()
def test_a_batch_is_its_samples() -> None:
    torch.manual_seed(0)
    adapter, maps = PoseAdapter(channels=(8, 16), norm_groups=4).eval(), torch.rand(3, 21, 16, 16)
    together = adapter(maps)
    for i in range(3):
        for batch, alone in zip(together, adapter(maps[i : i + 1]), strict=True):
            torch.testing.assert_close(batch[i : i + 1], alone, atol=1e-5, rtol=1e-5)


def test_every_scale_depends_on_every_channel_of_the_pose_map() -> None:
    torch.manual_seed(0)
    adapter = PoseAdapter(channels=(8, 16), norm_groups=4)
    for scale in range(2):
        pose_map = torch.rand(1, 21, 16, 16, requires_grad=True)
        adapter(pose_map)[scale].square().sum().backward()
        assert pose_map.grad is not None
        assert (pose_map.grad.abs().amax((0, 2, 3)) > 0).all()
