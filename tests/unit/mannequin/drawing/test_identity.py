"""Sampling of people: determined by the random seed, and different from each other."""

from __future__ import annotations

import colorsys
from dataclasses import astuple

import pytest

from cfld.mannequin.drawing.identity import (
    HAIR_STYLES,
    LOWER_KINDS,
    SHOE_KINDS,
    TORSO_AND_LEGS,
    UPPER_KINDS,
    mix,
    rgb,
    sample_identity,
)

PEOPLE = [sample_identity(seed) for seed in range(300)]


def test_the_person_of_a_seed_stays_the_same() -> None:
    person = sample_identity(5)
    assert (person.hair.style, person.upper.kind, person.lower.kind) == ("short", "t-shirt", "trousers")
    assert person.hair.length == pytest.approx(0.1352452)
    assert person.backdrop == pytest.approx(0.9139634)  # drawn last


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="non-negative integer, got -1"):
        sample_identity(-1)


def test_every_seed_is_another_person() -> None:
    assert len({repr(person) for person in PEOPLE}) == len(PEOPLE)
    assert sample_identity(5) == sample_identity(5)


def test_every_kind_occurs() -> None:
    assert {person.hair.style for person in PEOPLE} == set(HAIR_STYLES)
    assert {person.upper.kind for person in PEOPLE} == set(UPPER_KINDS)
    assert {person.lower.kind for person in PEOPLE} == set(LOWER_KINDS)
    assert {person.shoes.kind for person in PEOPLE} == set(SHOE_KINDS)


def test_values_lie_in_their_ranges() -> None:
    for person in PEOPLE:
        p, upper, lower = person.proportions, person.upper, person.lower
        assert min(astuple(p)) > 0
        assert p.torso + p.thigh + p.shin == pytest.approx(TORSO_AND_LEGS)
        assert 0 <= upper.sleeve <= 1
        assert 0 < lower.length <= 1
        assert 0 <= person.hair.fringe <= 1
        for colour in (person.skin, person.hair.colour, upper.texture.base, upper.trim, lower.belt, person.shoes.sole):
            assert min(colour) >= 0
            assert max(colour) <= 1


def test_colours() -> None:
    assert rgb("#ff8000") == pytest.approx((1, 128 / 255, 0))
    assert mix((0.0, 0.0, 0.0), (1.0, 0.5, 0.0), 0.5) == (0.5, 0.25, 0.0)
    hue, _, _ = colorsys.rgb_to_hsv(*rgb("#0000ff"))
    assert hue == pytest.approx(2 / 3)
