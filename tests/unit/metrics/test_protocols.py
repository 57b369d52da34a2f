"""The table of protocols as it is published: what differs, field by field."""

from __future__ import annotations

import typing

import pytest

from cfld.cli.evaluate import Images
from cfld.metrics.protocols import METRICS, PROTOCOLS, Protocol


def test_the_table() -> None:
    rows = {
        name: (p.truth_resize, p.fid_batch, p.inception, p.lpips, p.lpips_zero_one, p.padded)
        for name, p in PROTOCOLS.items()
    }
    assert rows == {
        "cfld": ("bicubic", None, "imagenet", ("alex",), False, False),
        "pidm": ("opencv-linear", 64, "imagenet", ("alex",), False, False),
        "pcdms": ("opencv-cubic", 128, "imagenet", ("alex",), True, False),
        "dptn": ("bicubic", 64, "imagenet", ("alex",), False, True),
        "standard": ("bicubic", None, "tensorflow", ("alex", "vgg"), False, False),
    }
    assert {name: p.ssim_256 and p.ssim_256.sigma for name, p in PROTOCOLS.items()} == {
        **{"cfld": 1.5, "pidm": 1.2, "pcdms": 1.2, "dptn": 1.5, "standard": None}
    }
    assert {name: (p.ssim.window, p.ssim.sigma) for name, p in PROTOCOLS.items()} == {
        **dict.fromkeys(("cfld", "pidm", "pcdms", "dptn"), (51, None)),
        "standard": (None, 1.5),
    }
    assert [name for name, p in PROTOCOLS.items() if p.truncate] == ["cfld"]
    assert [name for name, p in PROTOCOLS.items() if p.prediction_resize] == ["cfld", "standard"]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_row_can_be_a_key(protocol: Protocol) -> None:
    assert hash(protocol) == hash(protocol)
    assert len(set(PROTOCOLS.values())) == len(PROTOCOLS)


def test_the_command_offers_every_protocol_and_figure() -> None:
    hints = typing.get_type_hints(Images)
    assert set(typing.get_args(hints["protocol"])) == set(PROTOCOLS)
    (figures, _) = typing.get_args(hints["sort"])
    assert set(typing.get_args(figures)) < set(METRICS) - {"fid"}


def test_arrows_point_where_better_is() -> None:
    assert all(metric.label.endswith("↑" if metric.higher_is_better else "↓") for metric in METRICS.values())
