from __future__ import annotations

import pytest

from cfld.config.recipes import RECIPES, Recipe, combine, get_recipe


def test_exact_is_the_paper() -> None:
    assert RECIPES["exact"] == Recipe(steps=50, dtype="float32")
    assert Recipe().guidance_interval == (0, 1)
    assert Recipe().feature_cache == 1


def test_options_change_the_recipe_that_they_name() -> None:
    recipe = combine({"recipe": "fast", "dtype": None, "seed": 3}, {"steps": 7})
    assert recipe == combine({"recipe": "fast", "steps": 7})
    assert (recipe.steps, recipe.scheduler) == (7, RECIPES["fast"].scheduler)
    assert combine({}) == RECIPES["exact"]


def test_impossible_recipes() -> None:
    with pytest.raises(ValueError, match=r"guidance_interval must go from low to high, got 0.9 0.1"):
        Recipe(guidance_interval=(0.9, 0.1))
    with pytest.raises(ValueError, match="feature_cache must be between 1 and 100, got 0"):
        Recipe(feature_cache=0)
    with pytest.raises(ValueError, match="unknown recipe 'quick'; choose one of exact, fast, fastest"):
        get_recipe("quick")
