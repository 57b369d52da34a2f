"""Settings: commands that the command line understands, JSON, and values from strangers."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import pytest

from cfld.app import validation
from cfld.app.limits import Limits
from cfld.app.settings import Attention, Interpolation, PoseTransfer, Served, Settings, StyleTransfer
from cfld.cli import parse
from cfld.cli.attention import Attention as AttentionCommand
from cfld.cli.edit import Interpolate, Transfer
from cfld.cli.generate import Generate
from cfld.config.schema import SamplingConfig

SAMPLING = SamplingConfig(steps=7, pose_guidance_scale=-1.5, appearance_guidance_scale=3.25, scheduler="ddim", seed=11)
SERVED = Served(model="other", dtype="bfloat16", backend="rtmpose", confidence=0.5)
ODD = "it's (me) & you.png"


def parsed(settings: Settings) -> Any:
    program, *arguments = shlex.split(settings.command())
    assert program == "cfld"
    return parse(arguments)


def test_pose_transfer_is_what_generate_is_told() -> None:
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


def test_style_transfer_is_what_edit_transfer_is_told() -> None:
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


def test_interpolation_is_what_edit_interpolate_is_told() -> None:
    weights = (1 / 3, 2 / 3)
    mixed = parsed(Interpolation(sources=("a.png", ODD), weights=weights, sampling=SAMPLING))
    strip = parsed(Interpolation(sources=("a.png", ODD), frames=6))
    assert isinstance(mixed, Interpolate)
    assert mixed.weights == (weights,)
    assert [str(path) for path in strip.source] == ["a.png", ODD]
    assert (strip.weights, strip.frames, mixed.frames) == ((), 6, None)


def test_attention_is_what_attention_is_told() -> None:
    command = parsed(Attention(sources=("a.png", ODD), blocks="mean", served=SERVED))
    assert isinstance(command, AttentionCommand)
    assert (command.blocks, command.pipeline.model, command.pipeline.dtype) == ("mean", "other", "bfloat16")


def test_settings_are_json_with_the_command_in_them() -> None:
    settings = PoseTransfer(source="a.png", sampling=SAMPLING)
    told = json.loads(json.dumps(settings.to_dict()))
    assert told["task"] == "pose transfer"
    assert told["command"] == settings.command()
    assert told["sampling"]["seed"] == 11


@pytest.mark.parametrize("value", [True, "3", None, math.nan, math.inf, [], 0, 11, {}])
def test_no_such_number(value: Any) -> None:
    with pytest.raises(ValueError, match="steps"):
        validation.number(value, "steps", 1, 10)


def test_other_values_that_will_not_do() -> None:
    with pytest.raises(ValueError, match="whole number"):
        validation.whole(2.5, "the seed", 0, 10)
    with pytest.raises(ValueError, match="on or off"):
        validation.switch("yes", "retarget")
    with pytest.raises(ValueError, match="one of a, b"):
        validation.choice(["a"], "fit", ("a", "b"))


def test_sampling_is_checked() -> None:
    good = validation.sampling(Limits(), 10, 2, 2.5, "ddim", 3)
    assert good == SamplingConfig(
        steps=10, pose_guidance_scale=2.0, appearance_guidance_scale=2.5, scheduler="ddim", seed=3
    )
    assert validation.sampling(Limits(), 10, 2, 2, validation.OWN_SCHEDULER, 3).scheduler is None
    for bad in ((251, 2, 2, "ddim", 0), (1, 1e9, 2, "ddim", 0), (1, 2, 2, "magic", 0), (1, 2, 2, "ddim", -1)):
        with pytest.raises(ValueError, match="is"):
            validation.sampling(Limits(), *bad)
