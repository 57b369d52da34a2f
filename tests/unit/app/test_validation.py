"""Arguments from a page or a client: valid ones, and messages for invalid ones."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from cfld.app.limits import Limits
from cfld.app.validation import MODEL_SCHEDULER, Arguments, SamplingArguments, Seed, at_most, first_error, none_if
from cfld.config.schema import SamplingConfig

GOOD: dict[str, Any] = {
    "steps": 10,
    "pose_guidance": 2,
    "appearance_guidance": 2.5,
    "scheduler": "ddim",
    "seed": 3.0,
}


class Example(Arguments):
    seed: Seed
    frames: Annotated[int, at_most("frames")] = 2
    fit: Annotated[int | None, none_if("none")] = None


def sampling(**values: Any) -> SamplingConfig:
    return SamplingArguments.model_validate(GOOD | values, context=Limits()).sampling()


def message(model: type[Arguments], values: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values, context=Limits())
    return first_error(caught.value)


def test_sampling_arguments_as_a_configuration() -> None:
    expected = SamplingConfig(
        steps=10, pose_guidance_scale=2.0, appearance_guidance_scale=2.5, scheduler="ddim", seed=3
    )
    assert sampling() == expected
    assert type(sampling().seed) is int
    assert sampling(scheduler=MODEL_SCHEDULER).scheduler is None


@pytest.mark.parametrize("steps", [True, "3", None, math.nan, math.inf, [], 0, 251, {}, 2.5])
def test_invalid_numbers(steps: Any) -> None:
    assert message(SamplingArguments, GOOD | {"steps": steps}).startswith("steps: Input should be")


@pytest.mark.parametrize(
    "values",
    [{"pose_guidance": 1e9}, {"appearance_guidance": math.nan}, {"scheduler": "magic"}, {"seed": -1}, {"seed": 2**31}],
)
def test_invalid_sampling_arguments(values: dict[str, Any]) -> None:
    (name,) = values
    assert message(SamplingArguments, GOOD | values).startswith(f"{name.replace('_', ' ')}: Input should be")


def test_limits_are_the_context() -> None:
    assert Example.model_validate({"seed": 0, "frames": 3}, context=Limits(frames=3)).frames == 3
    assert message(Example, {"seed": 0, "frames": 17}) == "frames: Input should be less than or equal to 16, got '17'"


def test_none_if_replaces_one_choice() -> None:
    assert Example.model_validate({"seed": 0, "fit": "none"}, context=Limits()).fit is None
    assert Example.model_validate({"seed": 0, "fit": 2}, context=Limits()).fit == 2


def test_a_message_is_short_and_on_one_line() -> None:
    assert message(Example, {}) == "seed: Field required, got '{}'"
    assert len(message(Example, {"seed": "x" * 10_000})) < 120
