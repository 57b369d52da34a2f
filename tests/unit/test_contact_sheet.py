import numpy as np
import pytest
from PIL import Image

from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.poses.keypoints import Keypoints


def test_images_lie_in_their_cells(poses: list[Keypoints]) -> None:
    red, green = (Image.new("RGB", (30, 40), colour) for colour in ("red", "lime"))
    sheet = np.asarray(contact_sheet([[red, None], [draw_pose(poses[0]), green]], ["source", "result"], (80, 60)))
    reds, greens = ((sheet == colour).all(-1) for colour in ((255, 0, 0), (0, 255, 0)))
    assert reds.sum() >= 80 * 60
    assert greens.sum() >= 80 * 60
    assert np.argwhere(reds).mean(0)[0] < np.argwhere(greens).mean(0)[0]
    assert np.argwhere(reds).mean(0)[1] < np.argwhere(greens).mean(0)[1]


@pytest.mark.parametrize("rows", [[], [[None]]])
def test_rows_need_a_image_a_title(rows: list[list[None]]) -> None:
    with pytest.raises(ValueError, match="2 columns"):
        contact_sheet(rows, ["a", "b"])
