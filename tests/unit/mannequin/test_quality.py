"""The figures of mannequins: on images whose answer is known, and on an untrained model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cfld.build import build_components
from cfld.config.presets import tiny_model
from cfld.config.schema import SamplingConfig
from cfld.inference.reconstruction import through_vae
from cfld.mannequin.attribute_network.network import AttributeNetwork
from cfld.mannequin.quality import (
    MannequinQuality,
    Scene,
    gaussian_ssim,
    identity_top1,
    mannequin_quality,
    mean_over_images,
    pose_top1,
    table,
)
from cfld.metrics.psnr import psnr
from cfld.pipeline import CFLDPipeline

SIZE = (48, 33)


@pytest.fixture(scope="module")
def pipe() -> CFLDPipeline:
    pipe = CFLDPipeline(**vars(build_components(tiny_model())), output_size=SIZE)
    pipe.conditioner.eval()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.render(SIZE, identities=4, poses=3, poses_compared=5, seed=3)


@pytest.fixture(scope="module")
def quality(pipe: CFLDPipeline) -> MannequinQuality:
    network = AttributeNetwork((4, 4, 4, 4)).eval()
    return mannequin_quality(pipe, SamplingConfig(steps=1), identities=2, poses=1, poses_compared=2, network=network)


def test_an_attribute_network_judges_if_given(scene: Scene, quality: MannequinQuality) -> None:
    assert quality.judged is not None
    assert 0 <= quality.judged.attributes_top1 <= 1
    torch.manual_seed(0)
    judged = scene.judged(AttributeNetwork((4, 4, 4, 4)).eval(), scene.targets, 0.5 * scene.targets)
    assert judged.attributes_top1 == judged.true_attributes_top1
    assert 100 * abs(judged.frechet) < judged.vae_frechet


def test_the_truth_itself_is_always_found(scene: Scene) -> None:
    assert identity_top1(scene.targets, scene.targets) == 1
    assert pose_top1(scene.targets, scene.truth) == 1


def test_one_person_for_all_is_right_once_and_one_pose_for_all_is_right_once(scene: Scene) -> None:
    assert identity_top1(np.broadcast_to(scene.targets[:1], scene.targets.shape), scene.targets) == 1 / 4
    assert pose_top1(np.broadcast_to(scene.targets[:, :1], scene.targets.shape), scene.truth) == 1 / 3


def test_another_seed_gives_other_people_in_other_poses(scene: Scene) -> None:
    other = Scene.render(SIZE, identities=4, poses=3, poses_compared=5, seed=4)
    assert not set(other.people) & set(scene.people)
    assert not set(other.target_poses) & set(scene.target_poses)


def test_means_are_over_images_and_fewer_are_repeated() -> None:
    truth = np.zeros((2, 3, 16, 16, 3))
    made = np.array([0.1, 0.01])[:, None, None, None, None] * np.ones((2, 1, 16, 16, 3))
    assert mean_over_images(psnr, made, truth) == pytest.approx((20 + 40) / 2)
    assert mean_over_images(gaussian_ssim, truth, truth) == pytest.approx(1)


def test_without_its_source_a_person_looks_like_any_other(pipe: CFLDPipeline, scene: Scene) -> None:
    """The same poses, the same noise: what is left of a person is in the joints alone."""
    sampling = SamplingConfig(steps=2)
    with_pose = scene.generate(pipe, sampling, source=False)
    neither = scene.generate(pipe, sampling, source=False, pose=False)
    np.testing.assert_array_equal(neither[0], neither[1])
    assert not np.array_equal(with_pose[0], neither[0])


def test_without_pose_all_images_of_one_noise_and_person_are_one(pipe: CFLDPipeline, scene: Scene) -> None:
    other = Scene(scene.people, [p + 1 for p in scene.target_poses], scene.sources, scene.truth, scene.seed)
    sampling = SamplingConfig(steps=2)
    np.testing.assert_array_equal(
        scene.generate(pipe, sampling, pose=False), other.generate(pipe, sampling, pose=False)
    )


def test_vae_psnr_is_the_mean_over_all_target_images(pipe: CFLDPipeline) -> None:
    quality = mannequin_quality(pipe, SamplingConfig(steps=1, seed=3), identities=2, poses=2, poses_compared=2)
    truth = Scene.render(SIZE, identities=2, poses=2, poses_compared=2, seed=3).targets.reshape(-1, *SIZE, 3)
    made = through_vae(pipe.vae, torch.from_numpy(truth).permute(0, 3, 1, 2), SIZE).permute(0, 2, 3, 1).numpy()
    each = [mean_over_images(psnr, made[i], truth[i]) for i in range(4)]
    assert len(set(each)) == 4
    assert quality.vae_psnr == pytest.approx(np.mean(each), abs=1e-4)


def test_the_table_names_each_figure_once(quality: MannequinQuality) -> None:
    lines = table(quality).splitlines()
    assert lines[0].startswith("2 people in 1 poses")
    assert f"{quality.psnr:.2f} dB" in lines[1]
    assert len(lines) == 14


@pytest.mark.parametrize(("identities", "poses", "compared"), [(1, 1, 2), (2, 0, 2), (2, 3, 2), (2, 1, 1)])
def test_too_few_to_compare(pipe: CFLDPipeline, identities: int, poses: int, compared: int) -> None:
    with pytest.raises(ValueError, match="need two of each"):
        mannequin_quality(pipe, SamplingConfig(steps=1), identities, poses, compared)


def test_the_steps_are_the_recipes_unless_they_are_given(make_pipe: Callable[..., CFLDPipeline]) -> None:
    pipe = make_pipe().use_recipe("fast", steps=1)
    first, second = (
        mannequin_quality(pipe, SamplingConfig(steps=steps), identities=2, poses=1, poses_compared=2)
        for steps in (None, 1)
    )
    assert first.psnr == second.psnr
