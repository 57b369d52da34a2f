"""The protocols of docs/metrics.md, field by field."""

from __future__ import annotations

from cfld.metrics.protocols import PROTOCOLS


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


def test_rows_differ_and_are_hashable() -> None:
    assert len(set(PROTOCOLS.values())) == len(PROTOCOLS)
