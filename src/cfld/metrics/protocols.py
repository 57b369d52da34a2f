"""Evaluation protocols by name: the same four letters mean different numbers in different papers.

Sources: the releases of CFLD, PIDM, PCDMs and DPTN; `standard` is what the metrics' own papers and packages say. They
differ by more than papers do from one another (docs/metrics.md): a table without its protocol says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from cfld.metrics.networks import BackboneKind, InceptionKind
from cfld.metrics.ssim import SSIMVariant

WINDOW_51: Final = SSIMVariant(window=51)
TruthResize: TypeAlias = Literal["bicubic", "opencv-linear", "opencv-cubic"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How figures come about. Each field is a difference between two published evaluations.

    Attributes:
        truth_resize: of true images: `bicubic` is Pillow's, which antialiases; OpenCV's two do not.
        prediction_resize: whether images of another size are resized (bicubic, antialiased, clamped) or refused.
        truncate: whether a resized prediction is cut to 8 bits, or rounded.
        padded: white margins left and right make both images square; of a square image, the middle is taken first.
        inception: the network of FID.
        fid_batch: the real set counts in whole batches of this size, its remainder is dropped; None = every one.
        lpips: the backbones of LPIPS, one column each.
        lpips_zero_one: LPIPS is handed values in [0, 1], though it is made for [-1, 1].
        ssim, ssim_256: the two variants of SSIM; None = not part of the protocol.
    """

    truth_resize: TruthResize = "bicubic"
    prediction_resize: bool = False
    truncate: bool = False
    padded: bool = False
    inception: InceptionKind = "imagenet"
    fid_batch: int | None = None
    lpips: tuple[BackboneKind, ...] = ("alex",)
    lpips_zero_one: bool = False
    ssim: SSIMVariant = WINDOW_51
    ssim_256: SSIMVariant | None


PROTOCOLS: Final[dict[str, Protocol]] = {
    "cfld": Protocol(prediction_resize=True, truncate=True, ssim_256=SSIMVariant(sigma=1.5, value_range="prediction")),
    "pidm": Protocol(
        truth_resize="opencv-linear", fid_batch=64, ssim_256=SSIMVariant(sigma=1.2, value_range="prediction")
    ),
    "pcdms": Protocol(
        truth_resize="opencv-cubic",
        fid_batch=128,
        lpips_zero_one=True,
        ssim_256=SSIMVariant(sigma=1.2, value_range="prediction"),
    ),
    "dptn": Protocol(padded=True, fid_batch=64, ssim_256=SSIMVariant(sigma=1.5, value_range="prediction")),
    "standard": Protocol(
        prediction_resize=True,
        inception="tensorflow",
        lpips=("alex", "vgg"),
        ssim=SSIMVariant(sigma=1.5),
        ssim_256=None,
    ),
}
"""A new protocol is a row here."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column of the table.

    Attributes:
        label: with an arrow to where better is.
        higher_is_better: the arrow's direction.
        digits: after the point.
    """

    label: str
    higher_is_better: bool
    digits: int


METRICS: Final[dict[str, Metric]] = {
    "fid": Metric(label="FID ↓", higher_is_better=False, digits=3),
    "lpips": Metric(label="LPIPS ↓", higher_is_better=False, digits=4),
    "lpips_vgg": Metric(label="LPIPS (VGG) ↓", higher_is_better=False, digits=4),
    "ssim": Metric(label="SSIM ↑", higher_is_better=True, digits=4),
    "ssim_256": Metric(label="SSIM_256 ↑", higher_is_better=True, digits=4),
    "psnr": Metric(label="PSNR ↑", higher_is_better=True, digits=3),
    "pck_0.1": Metric(label="PCK@0.1 ↑", higher_is_better=True, digits=4),
    "pck_0.2": Metric(label="PCK@0.2 ↑", higher_is_better=True, digits=4),
    "oks": Metric(label="OKS ↑", higher_is_better=True, digits=4),
    "identity_rank_1": Metric(label="Identity rank-1 ↑", higher_is_better=True, digits=4),
    "identity_map": Metric(label="Identity mAP ↑", higher_is_better=True, digits=4),
}
"""Every figure that an evaluation may give, in the order of the columns. `fid` alone belongs to a set of images."""


def lpips_name(kind: BackboneKind) -> str:
    """The figure's name: `lpips` means AlexNet, as in the papers."""
    return "lpips" if kind == "alex" else f"lpips_{kind}"
