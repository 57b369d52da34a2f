"""The `cfld` command: one small file a subcommand, heavy imports inside its `run`."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import tyro
from tyro.conf import subcommand

from cfld.cli.animate import Animate
from cfld.cli.app import App
from cfld.cli.attention import Attention
from cfld.cli.convert import Convert
from cfld.cli.data import Data
from cfld.cli.edit import Edit
from cfld.cli.evaluate import Evaluate
from cfld.cli.figures import Figures
from cfld.cli.generate import Generate
from cfld.cli.params import Params
from cfld.cli.pose import Pose
from cfld.cli.pose_net import PoseNet
from cfld.cli.reproduce import Reproduce
from cfld.cli.study import Study
from cfld.cli.train import Train

Command = (
    Annotated[Generate, subcommand("generate")]
    | Annotated[Train, subcommand("train", description="Train a preset, or go on with a run.")]
    | Edit
    | Annotated[Pose, subcommand("pose")]
    | Annotated[Animate, subcommand("animate")]
    | PoseNet
    | Annotated[Attention, subcommand("attention")]
    | Annotated[App, subcommand("app")]
    | Annotated[Figures, subcommand("figures")]
    | Evaluate
    | Annotated[Convert, subcommand("convert")]
    | Annotated[Params, subcommand("params")]
    | Annotated[Reproduce, subcommand("reproduce")]
    | Data
    | Study
)
USER_ERRORS = (ValueError, OSError, FloatingPointError)
"""What a user can mend: told in one line, exit code 2. Anything else is our fault and keeps its traceback."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; exits with 2 after one clear line when the input is bad."""
    command = parse(arguments)
    try:
        command.run()
    except USER_ERRORS as error:
        print(f"cfld: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def parse(arguments: Sequence[str] | None = None) -> Any:
    """The command that the arguments name, ready to run; exits with 2 and one line when there is none such."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                Command,
                prog="cfld",
                description="Coarse-to-Fine Latent Diffusion: a person's image and a target pose in, an image out.",
                args=arguments,
                config=(tyro.conf.OmitSubcommandPrefixes,),
            )
    except SystemExit:
        if complaint.getvalue():
            print(f"cfld: {_in_one_line(complaint.getvalue())}", file=sys.stderr)
        raise


_MORE_THAN_ASKED: Final = ("Argument helptext", "For full helptext", "Arguments similar", "Perhaps you meant")


def _in_one_line(box: str) -> str:
    """The sections of one of tyro's boxes, without its frame, its title and the help texts of arguments."""
    _, *lines = (re.sub("[╭╮╰╯│]", "", line).strip() for line in box.splitlines())
    sections = [" ".join(section.split()) for section in re.split("\n─+\n?", "\n".join(lines))]
    told = [text for text in sections if text and not text.startswith(_MORE_THAN_ASKED)]
    return f"{'; '.join(told)} (cfld --help tells more)"
