"""What a caption says of mannequins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfld import mannequin
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.drawing.attributes import COLOURS, PHRASES, VOCABULARY, colour_name, view

PEOPLE = [(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed)) for seed in range(200)]


def test_everybody_gets_one_word_a_role_out_of_the_vocabulary() -> None:
    described = [mannequin.describe(identity) for identity, _ in PEOPLE]
    assert all(word in VOCABULARY for words in described for word in words)
    assert {len(words) for words in described} == {len(PHRASES)}
    for place in zip(*described, strict=True):
        assert len({word.split(": ")[0] for word in place if word}) == 1


def test_phrases_are_numbered_without_gaps() -> None:
    assert sorted(set(PHRASES)) == list(range(16))
    assert list(PHRASES) == sorted(PHRASES)


def test_what_a_plain_garment_does_not_show_is_not_described() -> None:
    for identity, _ in PEOPLE:
        words = mannequin.describe(identity)
        plain = identity.upper.texture.pattern == "plain"
        shown = [word for word in words if word.startswith(("upper period", "upper duty", "upper accent"))]
        assert len(shown) == (0 if plain else 6)


def test_numbers_are_described_to_a_sixteenth_of_their_range() -> None:
    identity, _ = PEOPLE[0]
    for channel, value in zip(("red", "green", "blue"), identity.upper.texture.base, strict=True):
        (word,) = [w for w in mannequin.describe(identity) if w.startswith(f"upper colour {channel}: ")]
        assert abs(int(word.split(": ")[1]) / 15 - value) <= 0.5 / 15 + 1e-9


def test_the_empty_word_is_number_zero_and_numbers_are_all_different() -> None:
    assert VOCABULARY[""] == 0
    assert sorted(VOCABULARY.values()) == list(range(len(VOCABULARY)))


@pytest.mark.parametrize(("yaw", "name"), [(0, "front"), (180, "back"), (350, "front"), (-170, "back"), (90, "left")])
def test_the_view_follows_the_turn_of_the_body(yaw: float, name: str) -> None:
    assert view(replace(PEOPLE[0][1], yaw=yaw)) == name


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
    assert first == second
