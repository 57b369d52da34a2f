"""Registries: names without imports, rows imported when they are read."""

from __future__ import annotations

import collections
import sys

import pytest

from cfld.registry import Registry

ROWS = {"ordered": "collections:OrderedDict", "absent": "no.such.module:attribute"}


def test_rows_are_imported_when_they_are_read() -> None:
    registry: Registry[type] = Registry("mapping", ROWS)
    assert registry["ordered"] is collections.OrderedDict
    with pytest.raises(ModuleNotFoundError):
        registry["absent"]


def test_names_import_nothing() -> None:
    registry: Registry[type] = Registry("mapping", ROWS)
    assert (list(registry), len(registry)) == (["ordered", "absent"], 2)
    assert "absent" in registry
    assert "other" not in registry
    assert "no.such.module" not in sys.modules


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown mapping 'list'; choose one of ordered, absent"):
        Registry("mapping", ROWS)["list"]
