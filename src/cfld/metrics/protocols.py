"""Evaluation protocols by name: metrics of the same name are computed differently in different papers.

Sources: the released code of CFLD, PIDM, PCDMs and DPTN; `standard` follows the metrics' own papers and packages. The
protocols differ by more than the papers' results do (docs/metrics.md), so a table needs to state its protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

InceptionKind: TypeAlias = Literal["imagenet", "tensorflow"]
BackboneKind: TypeAlias = Literal["alex", "vgg"]
TruthResize: TypeAlias = Literal["bicubic", "opencv-linear", "opencv-cubic"]


@dataclass(frozen=True, kw_only=True)
class SSIMVariant:
    """Parameters of SSIM; their influence exceeds the differences between papers.

    Attributes:
        window: side of the square window in pixels; None = scikit-image's for `sigma` (11 for 1.5, 9 for 1.2).
        sigma: of Gaussian weights in pixels, with population covariance; None = uniform weights, sample covariance.
        value_range: `one`: 1. `prediction`: largest minus smallest value of the prediction.
    """

    window: int | None = None
    sigma: float | None = None
    value_range: Literal["one", "prediction"] = "one"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How images are prepared and metrics computed; each field is a difference between two published evaluations.

    Attributes:
        truth_resize: filter for true images. `bicubic` is Pillow's, with antialiasing; OpenCV's two have none.
        prediction_resize: whether images of another size are resized (bicubic, antialiased, clamped) or rejected.
        truncate: whether resized predictions are truncated to 8 bits instead of rounded.
        padded: pad both images with white on the left and right to squares; square images are first cropped to their
            central part.
        inception: network of FID.
        fid_batch: use the training images in whole batches of this size and drop the rest; None = use all.
        lpips: backbones of LPIPS, one column each.
        lpips_zero_one: pass values in [0, 1] to LPIPS, although it is defined for [-1, 1].
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
    ssim: SSIMVariant = SSIMVariant(window=51)
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
"""A new protocol is one row here."""
