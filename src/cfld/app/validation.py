"""Types and models of the arguments that a page or a client sends; anyone who reaches the port can send anything."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from cfld.config.choices import SchedulerName
from cfld.config.schema import SamplingConfig

MODEL_SCHEDULER: Final = "model default"
LARGEST_SEED: Final = 2**31 - 1
LARGEST_SCALE: Final = 100.0
SHOWN: Final = 40
"""Characters of an invalid value that a message quotes."""


def at_most(limit: str) -> AfterValidator:
    """Rejects numbers above a field of `Limits`, which is the validation context."""

    def check(value: int, info: ValidationInfo) -> int:
        largest = getattr(info.context, limit)
        if value > largest:
            raise ValueError(f"Input should be less than or equal to {largest}")
        return value

    return AfterValidator(check)


def _whole(value: Any) -> Any:
    """2.0 as 2: JavaScript does not tell them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def none_if(choice: str) -> BeforeValidator:
    """Replaces one choice by None."""
    return BeforeValidator(lambda value: None if value == choice else value)


Whole = Annotated[int, BeforeValidator(_whole)]
Seed = Annotated[Whole, Field(ge=0, le=LARGEST_SEED)]
GuidanceScale = Annotated[float, Field(ge=-LARGEST_SCALE, le=LARGEST_SCALE)]


class Arguments(BaseModel):
    """Arguments of one function. Validate with `model_validate(values, context=limits)`."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class SamplingArguments(Arguments):
    """Arguments of every function that samples images."""

    steps: Annotated[Whole, Field(ge=1), at_most("steps")]
    pose_guidance_scale: GuidanceScale = Field(alias="pose_guidance")
    appearance_guidance_scale: GuidanceScale = Field(alias="appearance_guidance")
    scheduler: Annotated[SchedulerName | None, none_if(MODEL_SCHEDULER)]
    seed: Seed

    def sampling(self) -> SamplingConfig:
        return SamplingConfig(**self.model_dump(include=set(SamplingArguments.model_fields)))


def first_error(error: ValidationError) -> str:
    """The first error as one sentence: the argument, what it should be, and its value."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"])).replace("_", " ")
    message = f"{first['msg'].removeprefix('Value error, ')}, got {str(first['input'])[:SHOWN]!r}"
    return f"{name}: {message}" if name else message
