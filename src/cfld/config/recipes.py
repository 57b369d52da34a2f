"""Recipes: how images are sampled, from the paper's way to faster ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from cfld.config.choices import SchedulerName
from cfld.ranges import Range, Share, check_ranges

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16", "int8"]
EngineName: TypeAlias = Literal["torch", "openvino"]
Interval: TypeAlias = tuple[Share, Share]
CacheInterval: TypeAlias = Annotated[int, Range(1, 100)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How images are sampled.

    Raises:
        ValueError: for numbers out of range, and an interval from high to low.
    """

    steps: Annotated[int, Range(1, 1000)] = 50
    """Number of sampling steps."""
    scheduler: SchedulerName | None = None
    """A name in `SCHEDULERS`; None = the model's own."""
    guidance_interval: Interval = (0.0, 1.0)
    """Where eq. 7 guides, from low to high t / T; elsewhere the fully conditioned branch is computed alone
    (Kynkäänniemi et al., NeurIPS 2024)."""
    feature_cache: CacheInterval = 1
    """The whole UNet runs at every so many steps, at the others its last layer on kept features (DeepCache, Ma et al.,
    CVPR 2024); 1 = at every step."""
    dtype: DType | None = None
    """Dtype of the weights, or of the UNet where the engine has its own; `auto` = what is fastest on this machine
    (`cfld.engines.dtypes`); None = as they were loaded."""
    engine: EngineName = "torch"
    """What computes the UNet, a name in `cfld.engines.base.ENGINES`."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.dtype == "int8" and self.engine != "openvino":
            raise ValueError("dtype int8 needs engine openvino")
        low, high = self.guidance_interval
        if low > high:
            raise ValueError(f"guidance_interval must go from low to high, got {low} {high}; turn it round")


RECIPES: Final[dict[str, Recipe]] = {
    "exact": Recipe(dtype="float32"),
    "fast": Recipe(dtype="float32", scheduler="dpm++", steps=10),
    "fastest": Recipe(dtype="float32", scheduler="dpm++", steps=8, guidance_interval=(0.2, 1.0), feature_cache=2),
}
"""Name -> recipe. `exact` is the paper's. A new row is a new choice of the command line and the app."""

if TYPE_CHECKING:
    RecipeName: TypeAlias = str
else:
    RecipeName = Literal[tuple(RECIPES)]


def get_recipe(name: str) -> Recipe:
    """Raises ValueError, listing the names, for an unknown one."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def combine(*groups: Mapping[str, Any], student: Mapping[str, Any] = MappingProxyType({})) -> Recipe:
    """The recipe that options name under `recipe`, changed by those that have the name of one of its fields.

    None leaves a field as it is; options without such a name are not looked at.

    Args:
        student: fields that the model determines where no option does.
    """
    options = {name: value for group in groups for name, value in group.items()}
    given = {f.name: options[f.name] for f in fields(Recipe) if options.get(f.name) is not None}
    return replace(get_recipe(options.get("recipe", "exact")), **{**student, **given})
