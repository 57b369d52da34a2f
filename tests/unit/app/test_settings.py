"""Settings: as commands that the command line understands, and as JSON."""

from __future__ import annotations

import json
import shlex
from typing import Any

from cfld.app.settings import Attention, Interpolation, PoseTransfer, ServedModel, Settings, StyleTransfer
from cfld.cli import parse
from cfld.cli.attention import Attention as AttentionCommand
from cfld.cli.edit import Interpolate, Transfer
from cfld.cli.generate import Generate
from cfld.config.schema import SamplingConfig

SAMPLING = SamplingConfig(steps=7, pose_guidance_scale=-1.5, appearance_guidance_scale=3.25, scheduler="ddim", seed=11)
SERVED = ServedModel(model="other", dtype="bfloat16", backend="rtmpose", confidence=0.5)
ODD = "it's (me) & you.png"


def parsed(settings: Settings) -> Any:
    program, *arguments = shlex.split(settings.command())
    assert program == "cfld"
    return parse(arguments)


def test_pose_transfer_as_options_of_generate() -> None:
    command = parsed(
        PoseTransfer(
            source=ODD, fit="letterbox", retarget=True, target_pose="pose.json", sampling=SAMPLING, served=SERVED
        )
    )
    assert isinstance(command, Generate)
    assert (str(command.source), command.target_pose, command.sampling) == (ODD, (("pose.json",),), SAMPLING)
    assert (command.preprocessing.fit, command.preprocessing.retarget) == ("letterbox", True)
    assert (command.pipeline.model, command.pipeline.dtype) == ("other", "bfloat16")
    assert (command.pose.backend, command.pose.confidence) == ("rtmpose", 0.5)


def test_style_transfer_as_options_of_edit_transfer() -> None:
    command = parsed(
        StyleTransfer(reference="a.png", mask="m.png", source=ODD, feather=2.5, paste=False, sampling=SAMPLING)
    )
    assert isinstance(command, Transfer)
    assert (str(command.reference), str(command.mask), str(command.source)) == ("a.png", "m.png", ODD)
    assert (command.feather, command.paste, command.sampling, command.target_pose) == (
        2.5,
        False,
        SAMPLING,
        "pose.json",
    )


def test_interpolation_as_options_of_edit_interpolate() -> None:
    weights = (1 / 3, 2 / 3)
    mixed = parsed(Interpolation(sources=("a.png", ODD), weights=weights, sampling=SAMPLING))
    strip = parsed(Interpolation(sources=("a.png", ODD), frames=6))
    assert isinstance(mixed, Interpolate)
    assert mixed.weights == (weights,)
    assert [str(path) for path in strip.source] == ["a.png", ODD]
    assert (strip.weights, strip.frames, mixed.frames) == ((), 6, None)


def test_attention_as_options_of_attention() -> None:
    command = parsed(Attention(sources=("a.png", ODD), blocks="mean", served=SERVED))
    assert isinstance(command, AttentionCommand)
    assert (command.blocks, command.pipeline.model, command.pipeline.dtype) == ("mean", "other", "bfloat16")


def test_settings_are_json_with_the_command_in_them() -> None:
    settings = PoseTransfer(source="a.png", sampling=SAMPLING)
    values = json.loads(json.dumps(settings.to_dict()))
    assert values["task"] == "pose transfer"
    assert values["command"] == settings.command()
    assert values["sampling"]["seed"] == 11
