"""COCO's joints as OpenPose's."""

import numpy as np
import pytest

from cfld.poses.orders import COCO, COCO_JOINTS, from_order
from cfld.poses.skeleton import JOINTS


def test_joints_below_the_confidence_are_missing() -> None:
    yx, scores = np.ones((17, 2)), np.ones(17)
    scores[COCO_JOINTS.index("left_knee")] = 0.29
    joints, sure = from_order(COCO, yx, scores)
    assert [JOINTS[i] for i in np.flatnonzero(np.isnan(joints).any(axis=1))] == ["left_knee"]
    assert sure[JOINTS.index("left_knee")] == np.float32(0.29)
    assert np.isfinite(from_order(COCO, yx, scores, confidence=0.2)[0]).all()


def test_joints_keep_their_names() -> None:
    yx = np.stack([np.arange(20.0), 100 - np.arange(20.0)], axis=1)
    joints, _ = from_order(COCO, yx, np.ones(20))
    for name, place in zip(JOINTS, joints, strict=True):
        if name != "neck":
            np.testing.assert_array_equal(place, yx[COCO_JOINTS.index(name)])


@pytest.mark.parametrize("shoulder", ["left_shoulder", "right_shoulder"])
def test_the_neck_is_as_certain_as_the_less_certain_shoulder(shoulder: str) -> None:
    yx, scores = np.ones((17, 2)), np.ones(17)
    scores[COCO_JOINTS.index(shoulder)] = 0.4
    for confidence, missing in ((0.3, False), (0.5, True)):
        joints, found = from_order(COCO, yx, scores, confidence)
        assert found[JOINTS.index("neck")] == np.float32(0.4)
        assert np.isnan(joints[JOINTS.index("neck")]).all() == missing
