"""Options that several commands share: choices from the registries, groups that open what they name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cfld.cli import parse
from cfld.cli.options import DetectorOptions, PipelineOptions, PreprocessingOptions, find_device
from cfld.config.recipes import RECIPES, Recipe
from cfld.diffusion.schedulers import SCHEDULERS
from cfld.pipeline import CFLDPipeline
from cfld.poses.detectors.u2net import U2Net
from cfld.poses.registry import DETECTORS
from cfld.poses.segmenters import PLAIN
from cfld.ranges import check_ranges
from support.onnx_models import constant

POSE = ("pose", "--image", "me.png", "--out", "pose.json")
GENERATE = ("generate", "--source", "me.png", "--target-pose", "3", "--out", "outputs")


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_can_be_chosen(name: str) -> None:
    assert parse([*POSE, "--backend", name]).detector.backend == name
    assert parse([*GENERATE, "--pose.backend", name]).pose.backend == name


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_can_be_chosen(name: str) -> None:
    assert parse([*GENERATE, "--scheduler", name]).sampling.scheduler == name


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_chosen(name: str) -> None:
    assert parse([*GENERATE, "--recipe", name]).recipe.recipe == name
    assert parse(["app", "--recipe", name]).recipe.recipe == name


def test_unknown_choices_list_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, known in (
        ((*POSE, "--backend", "magic"), DETECTORS),
        ((*GENERATE, "--scheduler", "magic"), SCHEDULERS),
    ):
        with pytest.raises(SystemExit) as stopped:
            parse(arguments)
        assert stopped.value.code == 2
        printed = capsys.readouterr().err
        assert all(name in printed for name in known)


@pytest.mark.parametrize(("dtype", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_pipeline_in_its_dtype_with_its_scheduler(dtype: str, expected: torch.dtype) -> None:
    pipe = PipelineOptions(device="cpu").open(Recipe(dtype=dtype, scheduler="euler"))  # type: ignore[arg-type]
    assert isinstance(pipe, CFLDPipeline)
    assert (pipe.device.type, pipe.unet.dtype) == ("cpu", expected)
    assert type(pipe.scheduler).__name__ == SCHEDULERS["euler"][0]


def test_devices() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device(None).type in ("cpu", "cuda", "mps")
    for name in ("magic", "cuda:99"):
        with pytest.raises(ValueError, match=f"--device {name} is not available"):
            find_device(name)


def test_backgrounds_are_colours() -> None:
    assert PreprocessingOptions(background=(0, 128, 255)).open(DetectorOptions()).background == (0, 128, 255)
    with pytest.raises(ValueError, match="background must be between 0 and 255, got 256"):
        check_ranges(PreprocessingOptions(background=(0, 0, 256)))


def test_plain_backgrounds_are_the_segmenters(tmp_path: Path) -> None:
    file = constant(tmp_path / "u2net.onnx", (320, 320), np.ones((1, 1, 320, 320), np.float32))
    options = PreprocessingOptions(background="plain")
    check_ranges(options)
    opened = options.open(DetectorOptions(segmenter=file))
    assert opened.background == PLAIN
    assert isinstance(opened.segmenter, U2Net)
    with pytest.raises(ValueError, match=r"my.task: no such file"):
        options.open(DetectorOptions(model=tmp_path / "my.task"))
