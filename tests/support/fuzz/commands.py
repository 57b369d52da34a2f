"""All commands and their options, as the parser has them, and values for each option."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import tyro
from hypothesis import strategies as st

from cfld.cli import Command

PARSER: Final = tyro.extras.get_parser(Command, prog="cfld", config=(tyro.conf.OmitSubcommandPrefixes,))
HUGE: Final = "1" + "0" * 400
NONSENSE: Final = ("", " ", "nan", "inf", "-inf", "1e400", "1e9", "1.5", "1,5", "None", "ten", "\u0663", "-", "0x1")
SMALL: Final = ("-1", "0", "1", "2", "3", "5", "7", "13", "16", "64")
INTEGERS: Final = (*SMALL, *SMALL, "1001", "65536", "1000000000", "2147483648", str(2**63), "-2147483649", HUGE)
FLOATS: Final = (*SMALL, "0.01", "0.5", "0.99", "1.5", "-0.0", "1e-320", "1e-9", "1e9", "1e38", "1e300", *NONSENSE)
TEXTS: Final = (
    *NONSENSE,
    *SMALL,
    *("walk", "mannequin", "cpu", "cuda:9", "mps", "a=b", "=", "{source}", "{source}{target}", "{index}", "{0}"),
    *("sqlite:///", "sqlite:///new/answers.sqlite", "postgresql://nobody@127.0.0.1:9/x", "mysql://x"),
    *("::1", "256.0.0.1", "example.invalid", "x" * 300, "\u202e", "a\nb", "\x1b[31m"),
)


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        flags: `--out`, or `--json` and `--no-json`; empty for a positional argument.
        metavar: the values, as the help shows them; empty for a flag.
        choices: the allowed values; empty if there are others.
    """

    flags: tuple[str, ...]
    metavar: str
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.flags[0] if self.flags else ""

    def values(self, paths: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
        """Values of the right kind and of others: tuples of words.

        Args:
            paths: names of files and folders.
        """
        if not self.metavar:
            return st.just(())
        words = {
            "INT": INTEGERS,
            "FLOAT": FLOATS,
            "PATH": paths,
            "STR": (*TEXTS, *paths, *(f"a={path}" for path in paths)),
        }
        kinds = [self.choices] if self.choices else [words[atom] for atom in re.findall("|".join(words), self.metavar)]
        right = st.tuples(*map(st.sampled_from, kinds))
        several = st.lists(st.sampled_from(kinds[0]), max_size=4).map(tuple)
        nonsense = st.sampled_from(NONSENSE).map(lambda word: (word,))
        often = [right] * 8 + [several] * (8 if self.metavar.startswith("[") else 1) + [nonsense]
        return st.sampled_from(often).flatmap(lambda values: values)


def _walk(parser: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[Option, ...]]]:
    groups = [action for action in parser._actions if isinstance(action.choices, dict)]
    for group in groups:
        for word, below in group.choices.items():
            yield from _walk(below, (*words, word))
    if not groups:
        yield words, tuple(_option(action) for action in parser._actions if "--help" not in action.option_strings)


def _option(action: Any) -> Option:
    return Option(tuple(action.option_strings), action.metavar or "", tuple(sorted(action.choices or ())))


def arguments(words: Sequence[str], options: Mapping[str, Sequence[str]]) -> list[str]:
    """A command line; the option called "" is the positional argument."""
    line = [*words, *options.get("", ())]
    for name, values in options.items():
        line += [name, *values] if name else []
    return line


COMMANDS: Final = dict(_walk(PARSER, ()))
"""The options of every command, by the words that call it."""
