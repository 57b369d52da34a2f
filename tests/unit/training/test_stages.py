import torch
from PIL import Image

from cfld.contact_sheet import GAP
from cfld.training.stages import pil_images, sheet, spread


def test_a_sheet_has_a_column_per_title() -> None:
    image = Image.new("RGB", (5, 7), "red")
    result = sheet({"one": [image, image], "two": [image, image]}, cell=(64, 44))
    assert result.width == 2 * 44 + 3 * GAP
    assert result.height > 2 * 64


def test_values_from_minus_one_to_one_become_bytes() -> None:
    first, second = pil_images(torch.tensor([-1.0, 1.0])[:, None, None, None].expand(2, 3, 4, 5))
    assert first.size == (5, 4)
    assert [first.getpixel((0, 0)), second.getpixel((0, 0))] == [(0, 0, 0), (255, 255, 255)]


def test_spread_items_are_even_and_at_most_all() -> None:
    assert spread(range(10), 5) == [0, 2, 4, 6, 8]
    assert spread(range(2), 5) == [0, 1]
