"""People in an image: their boxes, missing joints, and which one is chosen."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from cfld.poses.keypoints import Keypoints
from cfld.poses.people import MAX_LISTED, Person, choose_person, joint_box, person_of
from cfld.poses.skeleton import NUM_JOINTS


def standing(height: float, image: str = "") -> Person:
    yx = np.stack([np.linspace(10, 10 + height, NUM_JOINTS), np.linspace(20, 30, NUM_JOINTS)], axis=1)
    return person_of(Keypoints(yx, (500, 500)), image=image)


def test_the_box_is_that_of_the_visible_joints() -> None:
    yx = np.full((NUM_JOINTS, 2), -1.0)
    yx[[3, 7]] = (40, 9), (12, 30)
    keypoints = Keypoints(yx)
    assert joint_box(keypoints) == (12, 9, 40, 30)
    person = person_of(keypoints)
    assert (person.box, person.area) == ((12, 9, 40, 30), 28 * 21)
    assert person.scores.tolist() == keypoints.visible.astype(float).tolist()
    assert len(person.missing) == NUM_JOINTS - 2
    assert str(person) == "2 joints in rows 12 to 40, columns 9 to 30"


def test_a_pose_without_joints_has_no_area() -> None:
    assert person_of(Keypoints(np.full((NUM_JOINTS, 2), -1))).area == 0


def test_the_largest_is_chosen_and_numbers_go_by_size() -> None:
    people = [standing(50), standing(200), standing(100)]
    assert choose_person(people) is people[1]
    assert [choose_person(people, k) for k in (1, 2, 3)] == [people[1], people[2], people[0]]
    for number in (0, 4):
        with pytest.raises(ValueError, match=f"a.jpg: there is no person {number}, there are 3"):
            choose_person(people, number, "a.jpg")


def test_a_crowd_is_not_listed_whole(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        choose_person([standing(50 + i) for i in range(MAX_LISTED + 3)], name="crowd.jpg")
    assert f"crowd.jpg: {MAX_LISTED + 3} people, using the largest" in caplog.text
    assert caplog.text.rstrip().endswith("and 3 more)")


def test_people_of_several_images_need_a_number() -> None:
    people = [standing(50, "a.jpg"), standing(200, "b.jpg")]
    with pytest.raises(ValueError, match=r"several images; choose one with --person K \(1: a.jpg.*2: b.jpg"):
        choose_person(people)
    assert choose_person(people, 1) is people[0]


def test_nobody_is_an_error_with_a_name() -> None:
    with pytest.raises(ValueError, match=r"photo.jpg: nobody found"):
        choose_person([], name="photo.jpg")
