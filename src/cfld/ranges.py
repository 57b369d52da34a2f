"""The range of each number of a configuration or command, declared in its type: `Annotated[int, Range(1, 4096)]`."""

from __future__ import annotations

import dataclasses
import math
import operator
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, which are excluded where `above` or `below` is set."""

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        return (value > self.low if self.above else value >= self.low) and (
            value < self.high if self.below or math.isinf(self.high) else value <= self.high
        )

    def __str__(self) -> str:
        if not (self.above or self.below or math.isinf(self.high)):
            return f"between {self.low:,} and {self.high:,}"
        low = f"{'above' if self.above else 'at least'} {self.low:,}"
        return low if math.isinf(self.high) else f"{low} and {'below' if self.below else 'at most'} {self.high:,}"

    def check(self, name: str, value: float) -> None:
        """Raises ValueError, naming the number, when it is out of range."""
        if value not in self:
            raise ValueError(f"{name} must be {self}, got {value}")


Batch: TypeAlias = Annotated[int, Range(1, 4096)]
Byte: TypeAlias = Annotated[int, Range(0, 255)]
Count: TypeAlias = Annotated[int, Range(1)]
Frames: TypeAlias = Annotated[int, Range(2, 10_000)]
Identities: TypeAlias = Annotated[int, Range(1, 1_000_000)]
Port: TypeAlias = Annotated[int, Range(0, 65_535)]
Poses: TypeAlias = Annotated[int, Range(2, 99)]
"""Of one mannequin: a pair needs two, and a DeepFashion name has two digits."""
Positive: TypeAlias = Annotated[float, Range(0, above=True)]
Seed: TypeAlias = Annotated[int, Range(0, 2**63 - 1)]
Share: TypeAlias = Annotated[float, Range(0, 1)]
Side: TypeAlias = Annotated[int, Range(1, 8192)]
"""Of an image that is written or decoded, in pixels."""
Width: TypeAlias = Annotated[int, Range(1, 8192)]
"""Channels, heads or tokens of a network."""
Depth: TypeAlias = Annotated[int, Range(1, 256)]
"""Layers of a network."""


def is_whole_number(value: Any) -> bool:
    """Whether a value is a whole number, of Python, NumPy or a tensor of one; True and False are none."""
    try:
        operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return not isinstance(value, bool)


def check_number(kind: Any, name: str, value: float) -> None:
    """Checks an argument against the range of a type above, such as `Side`.

    Raises:
        ValueError: naming it, when it is out of range.
    """
    declared = find_range(kind)
    assert declared is not None
    declared.check(name, value)


def check_ranges(config: Any) -> None:
    """Checks all numbers of a dataclass, nested ones included. None is in every range.

    Raises:
        ValueError: naming the first field that is out of range.
    """
    for name, hint, value in leaves(config):
        if (declared := find_range(hint)) is not None:
            for number in _numbers(value):
                declared.check(name, number)


def leaves(config: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotated type and value of each field of a dataclass, and of those nested in it."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value)
        else:
            yield field.name, hints[field.name], value


def find_range(kind: Any) -> Range | None:
    """The range in an annotation, which may be optional, or that of a tuple's items."""
    parts = (*getattr(kind, "__metadata__", ()), *typing.get_args(kind))
    return next((part for part in parts if isinstance(part, Range)), None) or next(
        (found for part in parts if (found := find_range(part)) is not None), None
    )


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, which may be None, a word, a number, or nested tuples of numbers."""
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)
    elif value is not None and not isinstance(value, str):
        yield value
