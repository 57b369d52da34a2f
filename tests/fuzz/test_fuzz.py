"""Commands, readers and the pipeline on arguments and files that nobody should give them.

Each target has a share of the time, `FUZZ_MINUTES`; the seeds are 0, 1, 2, ..., as many as fit into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from cfld.pipeline import CFLDPipeline
from support.fuzz.calls import CALL, try_calls
from support.fuzz.campaign import charged, fuzz, share
from support.fuzz.commands import COMMANDS, arguments
from support.fuzz.mutations import damaged
from support.fuzz.readers import READERS, inputs, try_reader
from support.fuzz.sandbox import call, empty_folder
from support.fuzz.trial import INTERRUPTED, NEW_PATHS, ODD, Trial
from support.fuzz.workspace import BASES, Base, make_workspace

COMMAND_LINES = [pytest.param(base, id=f"{i}-{base.words[0]}") for i, base in enumerate(BASES)]
TARGETS = 2 * len(BASES) + len(READERS) + 1
MANY = 10
"""Cases of one process of the fast targets."""


@pytest.fixture(scope="session")
def workspace(pipe: CFLDPipeline) -> Iterator[Path]:
    with empty_folder() as folder:
        with charged():
            make_workspace(folder / "workspace", pipe)
        yield folder / "workspace"


@st.composite
def odd_lines(draw: Callable[..., Any], base: Base, paths: tuple[str, ...]) -> Trial:
    """The command with some options of it set to odd values, or left out."""
    options: Mapping[str, tuple[str, ...]] = base.options
    for option in draw(st.lists(st.sampled_from(COMMANDS[base.words]), min_size=1, max_size=3)):
        if draw(st.integers(0, 15)) == 0:
            options = {name: values for name, values in options.items() if name != option.name}
        else:
            options = {**options, draw(st.sampled_from(option.flags or ("",))): draw(option.values(paths))}
    return Trial(base, tuple(arguments(base.words, options)))


@st.composite
def odd_files(draw: Callable[..., Any], base: Base, files: Mapping[str, bytes]) -> Trial:
    """The command with one of its input files damaged."""
    name = draw(st.sampled_from(sorted(files)))
    return Trial(base, tuple(arguments(base.words, base.options)), {name: draw(damaged(name, files[name]))})


@pytest.mark.parametrize("base", COMMAND_LINES)
def test_options(base: Base, workspace: Path, record_property: Callable[[str, object], None]) -> None:
    paths = (*ODD, *NEW_PATHS, *(path.name for path in sorted(workspace.iterdir())))
    fuzz(odd_lines(base, paths), lambda trial: trial.run(workspace).problems, share(TARGETS), record_property)


@pytest.mark.parametrize("base", COMMAND_LINES)
def test_files(base: Base, workspace: Path, record_property: Callable[[str, object], None]) -> None:
    names = Trial(base, tuple(base.line.split())).needed(workspace)
    paths = [path for name in names for path in (workspace / name, *(workspace / name).rglob("*")) if path.is_file()]
    files = {str(path.relative_to(workspace)): path.read_bytes() for path in paths}
    if files:
        fuzz(odd_files(base, files), lambda trial: trial.run(workspace).problems, share(TARGETS), record_property)


def run_many(function: Callable[..., None], *arguments: Any) -> list[str]:
    """The problems that a function prints of the cases that it tries, and what ended it before the last one."""
    with empty_folder() as folder:
        outcome = call(function, *arguments, folder=folder)
    lines = [json.loads(line) for line in outcome.out.splitlines() if line.startswith("{")]
    problems = [line["problem"] for line in lines if line.get("problem")]
    if outcome.code or outcome.seconds is None:
        ended = "does not end" if outcome.seconds is None else f"exit code {outcome.code}"
        problems.append(f"{ended} at {lines[-1] if lines else ''} {outcome.err[-300:]}")
    return problems


@pytest.mark.parametrize("name", READERS)
def test_readers(name: str, workspace: Path, record_property: Callable[[str, object], None]) -> None:
    files = inputs(READERS[name], workspace)

    @st.composite
    def damages(draw: Callable[..., Any]) -> tuple[str, str, bytes | str]:
        source, file = draw(st.sampled_from(sorted(files)))
        return source, file, draw(damaged(file or source, files[source, file]))

    cases = st.lists(damages(), min_size=MANY, max_size=MANY)
    fuzz(cases, lambda case: run_many(try_reader, name, workspace, case), share(TARGETS), record_property, MANY)


def test_calls(workspace: Path, record_property: Callable[[str, object], None]) -> None:
    @st.composite
    def calls(draw: Callable[..., Any]) -> dict[str, str]:
        changed = draw(st.lists(st.sampled_from(sorted(CALL)), min_size=1, max_size=3, unique=True))
        return {argument: draw(st.sampled_from(sorted(CALL[argument]))) for argument in changed}

    cases = st.lists(calls(), min_size=MANY, max_size=MANY)
    fuzz(cases, lambda case: run_many(try_calls, workspace / "model", case), share(TARGETS), record_property, MANY)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_fuzzed(words: tuple[str, ...]) -> None:
    """Presets have the same options as the smallest one of their stage."""
    assert words[0] == "train" or any(base.words == words for base in BASES)


@pytest.mark.slow
def test_the_command_lines_work(workspace: Path) -> None:
    for base in BASES:
        result = Trial(base, tuple(base.line.split())).run(workspace)
        assert not result.problems, (base.line, result)
        assert result.outcome.code in (0, INTERRUPTED), (base.line, result)
