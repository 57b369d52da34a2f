"""Metrics against the numbers that torchvision's networks, the LPIPS package and scikit-image gave, on random images
and weights by a rule.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cfld.metrics.fid import FeatureStatistics, frechet_distance
from cfld.metrics.lpips import LPIPS, published_heads
from cfld.metrics.networks import Backbone, BackboneKind, InceptionV3
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.psnr import psnr
from cfld.metrics.ssim import ssim

GOLDEN = Path(__file__).parent / "golden" / "metrics.npz"
TOLERANCE = 1e-5


def by_rule(network: nn.Module, prefix: str) -> nn.Module:
    """Each weight from a generator seeded by its torchvision name."""
    state = {
        key: value if value.ndim == 0 else _weight(prefix, key, value) for key, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval()


def _weight(prefix: str, key: str, like: Tensor) -> Tensor:
    normal = torch.randn(like.shape, generator=torch.Generator().manual_seed(zlib.crc32((prefix + key).encode())))
    if like.ndim > 1:
        return normal * 1.4 / like[0].numel() ** 0.5
    return 1 + 0.1 * normal.clamp(-2, 2) if key.endswith(("weight", "running_var")) else 0.1 * normal


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file}


@torch.no_grad()
def test_inception_features(golden: dict[str, NDArray[np.generic]]) -> None:
    network = by_rule(InceptionV3("imagenet"), "inception.")
    features = network(torch.from_numpy(golden["image_a"])).numpy()
    np.testing.assert_allclose(features, golden["inception_features_a"], rtol=0, atol=TOLERANCE)
    assert features.std() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("kind", ["alex", "vgg"])
def test_lpips(kind: BackboneKind, golden: dict[str, NDArray[np.generic]]) -> None:
    a, b = torch.from_numpy(golden["image_a"]), torch.from_numpy(golden["image_b"])
    backbone = Backbone(kind)
    by_rule(backbone, f"{kind}.")
    lpips = LPIPS(backbone, published_heads(kind))
    np.testing.assert_allclose(lpips(2 * a - 1, 2 * b - 1), golden[f"lpips_{kind}"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(lpips(a, b), golden[f"lpips_{kind}_zero_one_input"], rtol=0, atol=TOLERANCE)


def test_frechet_distance(golden: dict[str, NDArray[np.generic]]) -> None:
    gaussians = []
    for name in ("fid_features_a", "fid_features_b"):
        statistics = FeatureStatistics()
        statistics.update(golden[name])
        gaussians.append(statistics.gaussian())
    assert frechet_distance(*gaussians) == pytest.approx(float(golden["fid"]), abs=TOLERANCE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixel_metrics(dtype: type[np.floating], golden: dict[str, NDArray[np.generic]]) -> None:
    cfld = PROTOCOLS["cfld"]
    assert cfld.ssim_256 is not None
    for i in range(2):
        a, b, big_a, big_b = (golden[name][i].astype(dtype) for name in ("image_a", "image_c", "big_a", "big_b"))
        assert psnr(a, b) == pytest.approx(golden["psnr_ac"][i], abs=TOLERANCE)
        assert psnr(big_a, big_b) == pytest.approx(golden["psnr"][i], abs=TOLERANCE)
        assert ssim(big_a, big_b, cfld.ssim) == pytest.approx(golden["ssim51"][i], abs=TOLERANCE)
        assert ssim(a, b, cfld.ssim) == pytest.approx(golden["ssim51_ac_win"][i], abs=TOLERANCE)  # 44 wide: window 43
        assert ssim(big_a, big_b, cfld.ssim_256) == pytest.approx(golden["ssim_gaussian15"][i], abs=TOLERANCE)
