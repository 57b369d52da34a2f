"""Every number of a command or configuration has a declared range, which is checked before anything runs."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from cfld import cli
from cfld.config.presets import PRESETS
from cfld.config.schema import StageConfig, TrainConfig
from cfld.mannequin.network_config import NetworkConfig
from cfld.ranges import Range, find_range
from cfld.study.definition import Study


def classes(kind: Any) -> Iterator[type[Any]]:
    """The dataclasses in an annotation, and those of their fields."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield kind
        for hint in typing.get_type_hints(kind, include_extras=True).values():
            yield from classes(hint)
    for part in typing.get_args(kind):
        yield from classes(part)


CLASSES = sorted(
    {*classes(cli.Command), *classes(TrainConfig), *classes(NetworkConfig), *classes(Study)}
    | {found for stage in StageConfig.__subclasses__() for found in classes(stage)},
    key=lambda cls: (cls.__module__, cls.__qualname__),
)


def numbers_without_range(kind: Any) -> Iterator[Any]:
    if (
        find_range(kind) is not None
        and typing.get_origin(kind) is typing.Annotated
        and isinstance(kind.__metadata__[0], Range)
    ):
        return
    if kind in (int, float):
        yield kind
    for part in typing.get_args(kind) if typing.get_origin(kind) is not typing.Literal else ():
        yield from numbers_without_range(part)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_every_number_has_a_range(cls: type[Any]) -> None:
    hints = typing.get_type_hints(cls, include_extras=True)
    assert [f.name for f in dataclasses.fields(cls) if list(numbers_without_range(hints[f.name]))] == []


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_in_range(name: str) -> None:
    PRESETS[name]().check()


@pytest.mark.parametrize("value", ["0", "-1", "1000000000"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "--batch"),
        ("animate", "--source", "a.png", "--poses", "walk", "--frames"),
        ("data", "mannequin", "--identities"),
        ("data", "mannequin", "--poses"),
        ("data", "mannequin", "--size", "256"),
        ("train", "tiny", "--config.batch-size"),
        ("train", "tiny", "--config.data.identities"),
        ("train", "tiny", "--config.model.conditioner.decoder-depth"),
        ("pose-net", "train", "--batch-size"),
        ("figures", "--steps"),
    ],
    ids=" ".join,
)
def test_numbers_are_not_taken_literally(
    arguments: tuple[str, ...], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*arguments, value, "--out", "/nowhere/out"])
    _, err = capsys.readouterr()
    assert (stopped.value.code, err.count("\n")) == (2, 1)
    assert " must be " in err
