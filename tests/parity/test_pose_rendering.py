"""Drawings of the authors' release: skeletons to one grey level, heat maps to the last digits of float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cfld.poses.keypoints import Keypoints
from cfld.poses.render import draw_skeleton, heat_maps, pose_map

GOLDEN = Path(__file__).parent / "golden" / "pose_rendering.npz"
KEPT_EVERY = {256: 8, 64: 1}
"""Of the large heat maps every eighth row and column is kept."""


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file}


@pytest.mark.parametrize("pose", range(3))
@pytest.mark.parametrize("side", [256, 64])
def test_drawings(golden: dict[str, NDArray[np.generic]], pose: int, side: int) -> None:
    keypoints, every = Keypoints(golden[f"keypoints_{pose}"]), KEPT_EVERY[side]
    maps = heat_maps(keypoints, size=(side, side)).transpose(1, 2, 0)[::every, ::every]
    np.testing.assert_allclose(maps, golden[f"heatmap_{pose}_{side}x{side}"], rtol=0, atol=1e-6)
    drawn = draw_skeleton(keypoints, size=(side, side))
    assert drawn.shape == (side, side, 3)
    assert np.abs(drawn.astype(int) - golden[f"skeleton_{pose}_{side}x{side}"].astype(int)).max() <= 1


def test_pose_map_is_both(golden: dict[str, NDArray[np.generic]]) -> None:
    keypoints = golden["keypoints_0"]
    both = pose_map(keypoints, frame=(256, 176), size=(64, 64)).numpy()
    assert both.shape == (21, 64, 64)
    assert both.dtype == np.float32
    np.testing.assert_array_equal(both[:3].transpose(1, 2, 0) * 255, draw_skeleton(Keypoints(keypoints), size=(64, 64)))
    np.testing.assert_array_equal(both[3:], heat_maps(Keypoints(keypoints), size=(64, 64)))
