"""The skeleton's tables fit together."""

from cfld.poses.skeleton import BONES, JOINT_COLOURS, JOINTS, MIRROR


def test_mirror_is_an_involution_that_keeps_the_middle() -> None:
    assert [MIRROR[MIRROR[joint]] for joint in range(18)] == list(range(18))
    assert {JOINTS[joint] for joint in range(18) if MIRROR[joint] == joint} == {"nose", "neck"}
    assert all(JOINTS[MIRROR[j]] == name.replace("right", "left") for j, name in enumerate(JOINTS) if "right" in name)


def test_bones_make_one_tree() -> None:
    reached = {1}
    for _ in BONES:
        reached |= {end for bone in BONES for end in bone if reached & set(bone)}
    assert reached == set(range(18))
    assert len(BONES) == 17
    assert len(set(JOINT_COLOURS)) == 18
