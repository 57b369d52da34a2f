from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.contact_sheet import GAP
from cfld.inference.attention import attention_sheet, overlay, query_attention
from cfld.models.attention_maps import recorded_attention
from cfld.pipeline import CFLDPipeline


def test_maps_of_images(person: Image.Image) -> None:
    pipe = CFLDPipeline.from_pretrained("mannequin")
    c = pipe.conditioner.config
    side = c.source_size // (c.patch_size * 2 ** (len(c.swin_depths) - 1))
    people = [person, person.rotate(180)]
    last, mean = (query_attention(pipe, people, blocks) for blocks in ("last", "mean"))
    assert last.shape == mean.shape == (2, c.num_queries, side, side)
    for maps in (last, mean):
        torch.testing.assert_close(maps.sum((-2, -1)), torch.ones(2, c.num_queries))
    torch.testing.assert_close(query_attention(pipe, people[1]), last[1:])
    assert not torch.allclose(last, mean, atol=1e-3)
    with recorded_attention(pipe.conditioner.prompt_decoder) as maps_of_blocks:
        pipe.encode_source(people)
    torch.testing.assert_close(last, maps_of_blocks[-1])
    torch.testing.assert_close(mean, sum(maps_of_blocks) / c.decoder_depth)
    with pytest.raises(ValueError, match="last, mean, got 'first'"):
        query_attention(pipe, person, "first")  # type: ignore[arg-type]


def test_the_overlay_is_red_where_the_query_looks_and_grey_where_it_does_not() -> None:
    attention = torch.zeros(4, 4)
    attention[0, 0] = 0.7
    drawn = np.asarray(overlay(Image.new("RGB", (40, 60), (0, 90, 200)), attention)).astype(int)
    assert drawn.shape == (60, 40, 3)
    red, green, blue = drawn[3, 3]
    assert red > green + 50
    assert red > blue + 50
    assert np.ptp(drawn[-5, -5]) <= 1  # the image itself, in grey


def test_a_map_without_any_difference_gets_no_colour() -> None:
    drawn = np.asarray(overlay(Image.new("RGB", (20, 30), (10, 20, 30)), torch.full((4, 4), 1 / 16)))
    assert np.ptp(drawn) == 0


def test_the_sheet_has_a_row_a_image_and_a_column_a_query(pipe: CFLDPipeline, person: Image.Image) -> None:
    sheet = attention_sheet(pipe, [person, person.rotate(90)], height=64)
    columns = pipe.conditioner.config.num_queries + 1
    assert sheet.width == columns * (44 + GAP) + GAP
    assert sheet.height > 2 * 64
