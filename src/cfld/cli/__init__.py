"""The `cfld` command: one file per subcommand, which imports torch and other large packages only in `run`."""

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
from cfld.cli.attribute_net import AttributeNet
from cfld.cli.augment import Augment
from cfld.cli.convert import Convert
from cfld.cli.data import Data
from cfld.cli.doctor import Doctor
from cfld.cli.download import Download
from cfld.cli.edit import Edit
from cfld.cli.errors import one_line, user_errors
from cfld.cli.evaluate import Evaluate
from cfld.cli.export import Export
from cfld.cli.features import Features
from cfld.cli.figures import Figures
from cfld.cli.generate import Generate
from cfld.cli.params import Params
from cfld.cli.paths import outputs
from cfld.cli.pose import Pose
from cfld.cli.pose_net import PoseNet
from cfld.cli.reproduce import Reproduce
from cfld.cli.study import Study
from cfld.cli.train import Train
from cfld.ranges import check_ranges

Command = (
    Generate
    | Annotated[Train, subcommand("train", description="Train a preset, or resume its run.")]
    | Edit
    | Pose
    | Animate
    | Augment
    | Features
    | PoseNet
    | AttributeNet
    | Attention
    | App
    | Figures
    | Evaluate
    | Convert
    | Export
    | Download
    | Doctor
    | Params
    | Reproduce
    | Data
    | Study
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; exits with code 2 after a one-line message when the input is invalid."""
    command = parse(arguments)
    with user_errors():
        check_ranges(command)
        with outputs(command):
            command.run()


def parse(arguments: Sequence[str] | None = None) -> Any:
    """Parses the arguments into a command; exits with code 2 after a one-line message when they are invalid."""
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            return tyro.cli(
                Command,
                prog="cfld",
                description="Coarse-to-Fine Latent Diffusion for pose-guided person image synthesis.",
                args=arguments,
                config=(tyro.conf.OmitSubcommandPrefixes,),
            )
    except SystemExit:
        if message.getvalue():
            print(one_line(_text(message.getvalue())), file=sys.stderr)
        raise


_OMITTED: Final = ("Argument helptext", "For full helptext", "Arguments similar", "Perhaps you meant")


def _text(box: str) -> str:
    """The text of one of tyro's error boxes, without its frame, title, help texts and suggestions."""
    _, *lines = (re.sub("[╭╮╰╯│]", "", line).strip() for line in box.splitlines())
    sections = [" ".join(section.split()) for section in re.split("\n─+\n?", "\n".join(lines))]
    kept = [text for text in sections if text and not text.startswith(_OMITTED)]
    return f"{'; '.join(kept)} (see cfld --help)"
