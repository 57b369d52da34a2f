"""Masks from the layers of an image editor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from cfld.app.masks import painted_mask


def layers() -> Iterator[Image.Image]:
    brushed = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    brushed.paste((200, 0, 0, 255), (0, 0, 2, 4))
    yield brushed
    stored = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    stored.paste((255, 255, 255, 255), (0, 0, 2, 4))
    yield stored


@pytest.mark.parametrize("layer", layers(), ids=["brushed", "stored"])
def test_masks_are_white_where_something_is_painted(layer: Image.Image) -> None:
    mask = np.asarray(painted_mask([layer], (40, 80)))
    assert mask.shape == (80, 40)
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[:, :18] == 255).all()
    assert (mask[:, 22:] == 0).all()


def test_an_empty_mask_is_rejected() -> None:
    for empty in ([], [Image.new("RGBA", (4, 4))]):
        with pytest.raises(ValueError, match="the mask is empty"):
            painted_mask(empty, (4, 4))
