"""Pose detectors, one file each; `poses/registry.py` lists them."""
