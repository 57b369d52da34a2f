"""What a caption says of mannequins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfld import mannequin
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.drawing.attributes import COLOURS, VOCABULARY, colour_name

PEOPLE = [(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed)) for seed in range(200)]


def test_everybody_gets_one_word_a_role_out_of_the_vocabulary() -> None:
    described = [mannequin.describe(*person) for person in PEOPLE]
    assert all(word in VOCABULARY for words in described for word in words)
    roles = {tuple(word.split(": ")[0] for word in words) for words in described}
    assert len(roles) == 1
    assert len(set(next(iter(roles)))) == 16


def test_the_empty_word_is_number_zero_and_numbers_are_all_different() -> None:
    assert VOCABULARY[""] == 0
    assert sorted(VOCABULARY.values()) == list(range(len(VOCABULARY)))


def test_a_change_of_pose_changes_the_view_alone() -> None:
    identity, pose = PEOPLE[0]
    before, after = (mannequin.describe(identity, replace(pose, yaw=yaw)) for yaw in (0, 180))
    assert [a for a, b in zip(before, after, strict=True) if a != b] == ["view: front"]
    assert [b for a, b in zip(before, after, strict=True) if a != b] == ["view: back"]


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((1, 1, 1), "white"),
        ((0.5, 0.5, 0.5), "grey"),
        ((0.02, 0.02, 0.02), "black"),
        ((0.9, 0.1, 0.1), "bold red"),
        ((0.1, 0.1, 0.4), "dark blue"),
        ((0.7, 0.95, 0.7), "pale green"),
    ],
)
def test_colours_have_the_names_people_give_them(colour: tuple[float, float, float], name: str) -> None:
    assert colour_name(colour) == name


def test_most_colours_occur() -> None:
    names = {colour_name(identity.upper.texture.base) for identity, _ in PEOPLE}
    assert len(names) > len(COLOURS) / 2


def test_a_data_set_describes_its_images() -> None:
    data = MannequinDataset(identities=2, poses=2)
    first, second, *_ = (data.attributes(name) for name in data.names)
    assert [a for a, b in zip(first, second, strict=True) if a != b and not a.startswith("view")] == []
