"""Metrics by name, in the order of the table's columns.

A new metric is one function with an object of a class of `base` beside it, and one row here: the command line, the
tables and the report take it from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cfld.registry import Registry

if TYPE_CHECKING:
    from cfld.metrics.base import Metric
    from cfld.metrics.identity_retrieval import IdentityFeatures

_OF_SINGLE_IMAGES: Final = {
    "lpips": "cfld.metrics.lpips:LPIPS_ALEX",
    "lpips_vgg": "cfld.metrics.lpips:LPIPS_VGG",
    "ssim": "cfld.metrics.ssim:SSIM",
    "ssim_256": "cfld.metrics.ssim:SSIM_256",
    "psnr": "cfld.metrics.psnr:PSNR",
    "pck_0.1": "cfld.metrics.pose_accuracy:PCK_10",
    "pck_0.2": "cfld.metrics.pose_accuracy:PCK_20",
    "oks": "cfld.metrics.pose_accuracy:OKS",
    "identity_rank_1": "cfld.metrics.identity_retrieval:RANK_1",
    "identity_map": "cfld.metrics.identity_retrieval:MEAN_AVERAGE_PRECISION",
}

IMAGE_METRICS: Final[Registry[Metric]] = Registry("metric of single images", _OF_SINGLE_IMAGES)
"""Metrics with a value per image; tables show its mean."""

METRICS: Final[Registry[Metric]] = Registry("metric", {"fid": "cfld.metrics.fid:FID", **_OF_SINGLE_IMAGES})
"""All metrics. FID has a value per set of images."""

IDENTITY_FEATURES: Final[Registry[IdentityFeatures]] = Registry(
    "identity feature",
    {"colours": "cfld.metrics.identity_retrieval:COLOURS", "inception": "cfld.metrics.identity_retrieval:INCEPTION"},
)
"""Features by which generated images are looked up among the true ones."""
