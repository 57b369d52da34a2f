from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.evaluation.image_loading import BATCH_SIZE, read_batches, read_prepared, stack


def test_batches_keep_the_order_and_list_damaged_items() -> None:
    def read(item: int) -> str:
        if item % 5 == 4:
            raise ValueError(f"{item} is damaged")
        return str(item)

    items = list(range(2 * BATCH_SIZE + 3))
    batches = list(read_batches(items, read, "test"))
    assert [len(batch.items) + len(batch.damaged) for batch in batches] == [BATCH_SIZE, BATCH_SIZE, 3]
    assert [item for batch in batches for item in batch.items] == [item for item in items if item % 5 != 4]
    assert all(batch.results == [str(item) for item in batch.items] for batch in batches)
    assert [message for batch in batches for message in batch.damaged] == [
        f"{item} is damaged" for item in items if item % 5 == 4
    ]


def test_other_errors_are_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        list(read_batches([0], lambda item: 1 // item, "test"))


def test_errors_of_the_preparation_name_the_file(tmp_path: Path) -> None:
    def reject(_: Image.Image) -> np.ndarray:
        raise ValueError("too small")

    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"x\.png: too small"):
        read_prepared(tmp_path / "x.png", reject)


def test_stack() -> None:
    images = [np.full((3, 4, 2), i, dtype=np.float32) for i in range(2)]
    assert stack(images).shape == (2, 3, 4, 2)
    assert stack(images).dtype == torch.float32
