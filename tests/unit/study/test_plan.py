"""What participants see: the paper's protocol, evenly given, reproducible."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from cfld.study.definition import Study
from cfld.study.plan import THIS_ONE, assigned_method, plan
from support.study import METHODS


def test_part_one_is_thirty_real_and_thirty_generated_of_one_method(paper_study: Study) -> None:
    for number in range(1, 13):
        trials = [trial for trial in plan(paper_study, number) if trial.part == 1]
        assert Counter(trial.kind for trial in trials) == {"real": 30, "generated": 30, "check": 2}
        results = {pair.results[assigned_method(paper_study, number)] for pair in paper_study.pairs}
        assert {t.images[0] for t in trials if t.kind == "generated"} <= results
        truths = {pair.truth_picture for pair in paper_study.pairs}
        assert {t.images[0] for t in trials if t.kind == "real"} <= truths
        assert all(len(trial.images) == 1 and not trial.context for trial in trials)


def test_pairs_are_the_same_across_methods_and_participants(paper_study: Study) -> None:
    def pairs(number: int, kind: str) -> list[int | None]:
        return sorted(t.pair for t in plan(paper_study, number) if t.kind == kind and t.pair is not None)

    for kind in ("real", "generated", "comparison"):
        assert all(pairs(number, kind) == pairs(1, kind) for number in range(2, 20))
        assert len(set(pairs(1, kind))) == 30


def test_nobody_sees_a_real_image_and_a_generated_one_of_the_same_pair_in_part_one(paper_study: Study) -> None:
    assert not set(paper_study.real) & set(paper_study.generated)


def test_part_two_shows_every_method_once_in_shuffled_places(paper_study: Study) -> None:
    places = Counter[tuple[str, int]]()
    for number in range(1, 41):
        for trial in (t for t in plan(paper_study, number) if t.kind == "comparison"):
            pair = paper_study.pairs[trial.pair or 0]
            assert sorted(trial.picks) == sorted(METHODS)
            assert trial.images == tuple(pair.results[method] for method in trial.picks)
            assert trial.context == (pair.source_picture, pair.pose_picture, pair.truth_picture)
            places.update((method, place) for place, method in enumerate(trial.picks))
    expected = 40 * 30 / 3
    assert all(abs(count - expected) < 5 * (expected * 2 / 3) ** 0.5 for count in places.values())


def test_methods_are_given_evenly(paper_study: Study) -> None:
    given = Counter[str]()
    for number in range(1, 100):
        given[assigned_method(paper_study, number)] += 1
        assert max(given.values()) - min(given[method] for method in METHODS) <= 1
    first = {tuple(assigned_method(paper_study, 3 * r + i) for i in (1, 2, 3)) for r in range(33)}
    assert len(first) > 3, "rounds have orders of their own"


def test_order_follows_from_seed_and_number_alone(paper_study: Study) -> None:
    def orders(study: Study) -> list[list[tuple[str, int | None, tuple[str, ...]]]]:
        return [[(t.kind, t.pair, t.picks) for t in plan(study, number)] for number in range(1, 6)]

    again = replace(paper_study, title="the same, opened again")
    other = replace(paper_study, protocol=replace(paper_study.protocol, seed=6))
    assert orders(again) == orders(paper_study)
    assert all(a != b for a, b in zip(orders(other), orders(paper_study), strict=True))
    assert len({str(order) for order in orders(paper_study)}) == 5


def test_order_stays_as_it_was_when_the_program_changes(study: Study) -> None:
    """Participants come back after an update, and find the question that they left."""
    assert [(t.kind, t.pair) for t in plan(study, 1)] == GOLDEN_ORDER
    assert [assigned_method(study, number) for number in range(1, 7)] == GOLDEN_METHODS


def test_checks_are_never_first_and_tell_the_answer(paper_study: Study) -> None:
    asked = set()
    for number in range(1, 21):
        trials = plan(paper_study, number)
        parts = [[t for t in trials if t.part == part] for part in (1, 2)]
        assert all(part[0].kind != "check" for part in parts)
        assert [sum(t.kind == "check" for t in part) for part in parts] == [2, 2]
        for trial in (t for t in trials if t.kind == "check"):
            told = trial.images[trial.picks.index(trial.expected or "")] if trial.part == 2 else trial.images[0]
            cards = paper_study.cards
            assert told == (cards.this_one if trial.part == 2 else getattr(cards, trial.expected or ""))
            assert trial.picks.count(THIS_ONE) == (trial.part == 2)
            asked.add(trial.expected)
    assert asked == {"real", "generated", THIS_ONE}


@pytest.mark.parametrize(("images", "comparisons"), [(2, 0), (0, 2)])
def test_a_study_may_have_one_part_only(study: Study, images: int, comparisons: int) -> None:
    protocol = replace(study.protocol, images=images, comparisons=comparisons)
    lists = {"generated": study.generated[:images], "real": study.real[:images]}
    short = replace(study, protocol=protocol, comparisons=study.comparisons[:comparisons], **lists)
    assert {trial.part for trial in plan(short, 1)} == ({1} if images else {2})


GOLDEN_ORDER: list[tuple[str, int | None]] = [
    ("generated", 1),
    ("check", None),
    ("generated", 0),
    ("real", 2),
    ("real", 3),
    ("comparison", 5),
    ("check", 5),
    ("comparison", 4),
]
GOLDEN_METHODS: list[str] = ["theirs", "ours", "third", "ours", "third", "theirs"]
