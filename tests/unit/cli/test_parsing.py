"""Arguments of `cfld`: subcommands, and one line for what is invalid."""

from __future__ import annotations

from typing import get_args

import pytest

from cfld.cli import Command, main, parse
from cfld.cli.params import Params


def test_a_subcommand_with_its_options() -> None:
    assert parse(["params", "tiny", "--json"]) == Params(preset="tiny", json=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paint"], "Unrecognized options: paint"),
        (["generate"], "Missing from cfld generate: --out"),
        (["generate", "--out", "x", "--steps", "many"], "--steps"),
        (["params", "nothing"], "nothing"),
    ],
)
def test_invalid_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("cfld: ")
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert not {"╭", "│"} & set(printed.err)


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.count("•") == len(get_args(Command))
