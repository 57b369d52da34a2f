"""Imports everything once, in the server process from which the sandbox forks."""

import contextlib
import gc
import importlib
import pkgutil

import pytest  # noqa: F401 - the main module of the tests, which every process of multiprocessing imports
import torch

import cfld

torch.set_num_threads(1)
for module in pkgutil.walk_packages(cfld.__path__, "cfld."):
    if not module.name.endswith("__main__"):
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(module.name)
gc.freeze()  # so that collecting garbage in a forked process does not copy everything
