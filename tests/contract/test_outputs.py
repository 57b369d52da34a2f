"""Every option of every command that names a file or folder is an output or an input, and outputs are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from cfld import cli
from cfld.claims import Input, Output
from cfld.cli.paths import Written, check_outputs
from cfld.config.presets import PRESETS

NO_PATHS = {
    "license",
    *("backend", "device", "host", "scheduler", "title", "pattern", "column", "name", "database", "conditioner_class"),
    *("prediction_type", "beta_schedule", "stage", "log_with", "trusted_proxies", "allowed_host"),
}
"""Options whose texts name no file; what `database` names, `reads` of its commands returns."""
WRITTEN = {"hub", "out", "draw", "engine_cache", "fitted", "answers", "cache", "latents", "to"}
"""Options that name an output: in no command are they inputs."""
OWN_RULES = {"Generate.out", "TrainRun.out", "WriteMannequins.out"}
"""Folders that a `config.json` or `mannequin.json` of the same settings makes the command's own."""


def commands(hint: Any = cli.Command) -> Iterator[type[Any]]:
    """The classes of all subcommands."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from commands(part)


def options(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """Name and type of each option, those of groups included."""
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        groups = [
            part for part in parts(hints[field.name]) if dataclasses.is_dataclass(part) and isinstance(part, type)
        ]
        variants = [variant for group in groups for variant in (group.__subclasses__() or [group])]
        if not variants:
            yield field.name, hints[field.name]
        for variant in variants:
            yield from options(variant)


def parts(hint: Any) -> Iterator[Any]:
    """A type, its metadata and the types in it; choices apart."""
    yield hint
    if get_origin(hint) is Annotated:
        yield from hint.__metadata__
    if get_origin(hint) is not Literal:
        for part in get_args(hint):
            yield from parts(part)


ALL = sorted({(kind, name): hint for kind in commands() for name, hint in options(kind)}.items(), key=str)
OUTPUTS = [
    (f"{kind.__name__}.{name}", part) for (kind, name), hint in ALL for part in parts(hint) if isinstance(part, Output)
]


def test_all_commands_are_walked() -> None:
    names = {kind.__name__ for kind in commands()}
    assert {"Generate", "TrainRun", "Transfer", "Interpolate", "Pose", "Animate", "Train", "Attention"} <= names
    assert {"App", "Figures", "Images", "Convert", "Params", "Reproduce", "Info", "Create", "Serve", "Results"} <= names
    assert len(PRESETS) > 5


@pytest.mark.parametrize(("option", "hint"), [pytest.param(k, h, id=f"{k[0].__name__}.{k[1]}") for k, h in ALL])
def test_every_option_that_names_a_path_says_whether_it_is_written(option: tuple[type[Any], str], hint: Any) -> None:
    found, name = list(parts(hint)), option[1]
    written = any(isinstance(part, Output) for part in found)
    assert written == (name in WRITTEN and Path in found), "paths are read, but for those marked as Output"
    if str in found and not written:
        read = any(isinstance(part, Input) for part in found)
        assert read != (name in NO_PATHS), "mark it as Input if its text may name a file"


@pytest.mark.parametrize(("option", "output"), OUTPUTS)
def test_what_a_command_replaces_in_a_folder_is_declared(option: str, output: Output) -> None:
    assert bool(output.entries) == (output.kind == "folder" and option not in OWN_RULES)


@pytest.mark.parametrize(("option", "output"), OUTPUTS)
def test_no_output_may_be_an_input(option: str, output: Output, tmp_path: Path) -> None:
    place = tmp_path / f"in{next(iter(output.extensions), '')}"
    place.touch() if output.kind == "file" else place.mkdir()
    for source in (place, tmp_path):
        with pytest.raises(ValueError, match=f"input; name another output for {option}"):
            check_outputs([Written(option, place, output)], [source])
