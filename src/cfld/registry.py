"""Registries whose entries are imported on access, so that help texts and types can list the names at no cost."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from names to objects given by module and attribute.

    An entry may lie in a package that the method itself never imports.
    """

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        """
        Args:
            kind: noun for error messages, for example "data set".
            rows: name -> "package.module:attribute".
        """
        self._kind, self._rows = kind, dict(rows)

    def __getitem__(self, name: str) -> T:
        """
        Raises:
            ValueError: for an unknown name, listing the known ones.
        """
        if name not in self._rows:
            raise ValueError(f"unknown {self._kind} {name!r}; choose one of {', '.join(self._rows)}")
        module, _, attribute = self._rows[name].partition(":")
        row: T = getattr(importlib.import_module(module), attribute)
        return row

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
