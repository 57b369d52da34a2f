"""`CFLDPipeline` behaves like diffusers' pipelines and computes nothing twice."""

from __future__ import annotations

import copy
import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate
import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DiffusionPipeline
from PIL import Image
from torch import Tensor, nn

from cfld.build import build_conditioner
from cfld.config.presets import tiny_model
from cfld.config.schema import ModelConfig, SchedulerConfig
from cfld.data.transforms import letterbox, resize, to_model_range, to_tensor
from cfld.diffusion import schedulers
from cfld.diffusion.schedulers import CORRECT, SCHEDULERS, make_scheduler
from cfld.pipeline import CFLDPipeline
from cfld.poses.fit import fit_poses
from cfld.poses.keypoints import Keypoints
from cfld.poses.render import pose_map

STEPS = 3


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def generate(pipe: CFLDPipeline, source: Any, pose: Any, **options: Any) -> Tensor:
    """Returns latents, by default of seed 0."""
    arguments = {"num_inference_steps": STEPS, "generator": generators(0)[0], "output_type": "latent", **options}
    latents: Tensor = pipe(source, pose, **arguments).images
    return latents


class Calls:
    """Records the batch size of each call of some modules, through the `__call__` that offloading hooks use."""

    def __init__(self, **modules: nn.Module) -> None:
        self.batch_sizes: dict[str, list[int]] = {name: [] for name in modules}
        self._hooks = [module.register_forward_pre_hook(self._counter(name)) for name, module in modules.items()]

    def _counter(self, name: str) -> Callable[..., None]:
        return lambda _, args: self.batch_sizes[name].append(len(args[0]) if args and args[0] is not None else 0)

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


class TestSavingAndLoading:
    def test_a_loaded_pipeline_generates_the_same(
        self, pipe: CFLDPipeline, model_folder: Path, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        loaded = CFLDPipeline.from_pretrained(model_folder)
        loaded.set_progress_bar_config(disable=True)
        torch.testing.assert_close(generate(loaded, person, poses[0]), generate(pipe, person, poses[0]))
        assert tuple(loaded.config.output_size) == (64, 44)
        assert not any(part.training for part in (loaded.conditioner, loaded.unet, loaded.vae))

    def test_half_precision_on_disk_loads_as_float32(self, model_folder: Path, tmp_path: Path) -> None:
        CFLDPipeline.from_pretrained(model_folder, torch_dtype=torch.float16).save_pretrained(tmp_path / "half")
        loaded = CFLDPipeline.from_pretrained(tmp_path / "half")
        assert {part.dtype for part in (loaded.conditioner, loaded.unet, loaded.vae)} == {torch.float32}

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("option", ["dtype", "torch_dtype"])  # new and old name in diffusers
    def test_dtype_options(self, option: str, model_folder: Path) -> None:
        loaded = CFLDPipeline.from_pretrained(model_folder, **{option: torch.bfloat16})
        assert {part.dtype for part in (loaded.conditioner, loaded.unet, loaded.vae)} == {torch.bfloat16}
        mixed = {"default": torch.bfloat16, "vae": torch.float32}
        loaded = CFLDPipeline.from_pretrained(model_folder, **{option: mixed})
        assert (loaded.conditioner.dtype, loaded.vae.dtype) == (torch.bfloat16, torch.float32)

    def test_components_may_be_given(self, model_folder: Path, components: Any) -> None:
        loaded = CFLDPipeline.from_pretrained(model_folder, unet=components.unet, output_size=(32, 20))
        assert loaded.unet is components.unet
        assert tuple(loaded.config.output_size) == (32, 20)

    def test_components_make_another_pipeline(self, pipe: CFLDPipeline) -> None:
        assert set(pipe.components) == {"conditioner", "unet", "vae", "scheduler"}
        again = CFLDPipeline(**pipe.components)
        assert again.unet is pipe.unet
        assert isinstance(CFLDPipeline.from_pipe(pipe), DiffusionPipeline)

    def test_components_keep_the_output_size(self, make_pipe: Callable[..., CFLDPipeline]) -> None:
        pipe = make_pipe()
        small = CFLDPipeline(**pipe.components, output_size=(32, 20))
        other = CFLDPipeline(**{**small.components, "scheduler": DDIMScheduler.from_config(pipe.scheduler.config)})
        sizes = [CFLDPipeline(**p.components).config.output_size for p in (pipe, small, other)]
        assert sizes == [(64, 44), (32, 20), (32, 20)]
        assert CFLDPipeline.from_pipe(small).config.output_size == (32, 20)
        weight, same = (p.conditioner.null_prompt for p in (pipe, small))
        assert weight is same

    def test_a_given_size_is_kept_by_a_folder_and_its_components(self, model_folder: Path, tmp_path: Path) -> None:
        CFLDPipeline.from_pretrained(model_folder, output_size=(32, 20)).save_pretrained(tmp_path)
        pipe = CFLDPipeline.from_pretrained(tmp_path)
        assert CFLDPipeline(**pipe.components).config.output_size == (32, 20)


class TestSchedulers:
    @pytest.mark.parametrize("name", SCHEDULERS)
    @pytest.mark.parametrize(
        "schedule",
        [
            SchedulerConfig(),
            SchedulerConfig(prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True),
        ],
        ids=["sd15", "zero-snr"],
    )
    def test_of_the_command_line(
        self, name: str, schedule: SchedulerConfig, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        from cfld.build import build_scheduler

        other = CFLDPipeline(**{**pipe.components, "scheduler": make_scheduler(name, build_scheduler(schedule).config)})
        other.set_progress_bar_config(disable=True)
        assert generate(other, person, poses[0]).isfinite().all()

    @pytest.mark.parametrize("name", CORRECT)
    def test_of_diffusers(self, name: str, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        if name == "LMSDiscreteScheduler":
            pytest.importorskip("scipy")
        scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config)
        other = CFLDPipeline(**{**pipe.components, "scheduler": scheduler})
        other.set_progress_bar_config(disable=True)
        assert generate(other, person, poses[0], num_inference_steps=5).isfinite().all()


class TestReproducing:
    def test_one_generator_per_sample_makes_it_independent_of_its_batch(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        together = generate(pipe, person, poses[:3], generator=generators(4, 5, 6))
        for i in range(3):
            alone = generate(pipe, person, poses[i], generator=generators(4 + i))
            torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=1e-5)
        assert not torch.allclose(together[0], together[1], atol=0.1)

    def test_the_seed_determines_the_result(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        first, again = (generate(pipe, person, poses[0]) for _ in range(2))
        assert torch.equal(first, again)
        assert not torch.allclose(first, generate(pipe, person, poses[0], generator=generators(1)[0]))

    def test_latents_replace_the_initial_noise(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        generator = generators(0)[0]
        latents = torch.randn(1, 4, 8, 8, generator=generator)
        given = generate(pipe, person, poses[0], latents=latents, generator=generator)
        assert torch.equal(given, generate(pipe, person, poses[0]))

    def test_images_differ_by_one_level_at_most_from_those_of_another_batch(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        """Convolutions and matrix products sum in another order for another batch size."""
        arguments = {"num_inference_steps": 10, "output_type": "pil"}
        together = generate(pipe, person, poses, generator=generators(0, 1, 2, 3), **arguments)
        for i, image in enumerate(together):
            (alone,) = generate(pipe, person, poses[i], generator=generators(i), **arguments)
            assert np.abs(np.asarray(image).astype(int) - np.asarray(alone)).max() <= 1


class TestThreads:
    @pytest.mark.parametrize("name", ["LCMScheduler", "PNDMScheduler"])
    def test_of_one_pipeline(self, name: str, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config)
        shared = CFLDPipeline(**{**pipe.components, "scheduler": scheduler})
        shared.set_progress_bar_config(disable=True)
        before = copy.deepcopy(vars(scheduler))

        def run(i: int) -> Tensor:
            counts: list[int] = []
            image = generate(
                shared,
                person.rotate(i * 40),
                poses[i % 4],
                num_inference_steps=2 + i % 4,
                generator=generators(i),
                pose_guidance_scale=1.0 + i % 3,
                output_type="pt",
                callback_on_step_end=lambda p, *_: counts.append(p.num_timesteps),
            )
            assert counts == [len(counts)] * len(counts)
            return image

        check_threads(run, 8)
        assert repr(vars(scheduler)) == repr(before)

    def test_of_pipelines_with_the_same_components(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        def run(i: int) -> Tensor:
            scheduler = make_scheduler(list(SCHEDULERS)[i], pipe.scheduler.config)
            own = CFLDPipeline(**{**pipe.components, "scheduler": scheduler})
            own.set_progress_bar_config(disable=True)
            return generate(own, person, poses[i % 4], num_inference_steps=4, output_type="pt")

        check_threads(run, len(SCHEDULERS))

    def test_of_style_transfer(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        mask = Image.new("L", person.size)
        mask.paste(255, (0, 0, 20, 67))

        def run(i: int) -> Tensor:
            options = {"num_inference_steps": 2 + i, "generator": generators(i)}
            image = pipe.transfer_style(person, mask, person.rotate(180), poses[i], **options).images[0]
            return torch.tensor(np.asarray(image))

        check_threads(run, 4)

    def test_of_an_offloaded_pipeline(
        self, make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
    ) -> None:
        other = make_pipe()
        for part in (other.conditioner, other.unet, other.vae):
            accelerate.cpu_offload(part, torch.device("cpu"), offload_buffers=len(part._parameters) > 0)
        check_threads(lambda i: generate(other, person, poses[i], output_type="pt"), 2)

    def test_a_callback_stops_its_own_call(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        def run(stop_at: int) -> tuple[int, bool]:
            steps: list[int] = []

            def stop(p: CFLDPipeline, i: int, *_: Any) -> None:
                steps.append(i)
                p._interrupt = i == stop_at

            generate(pipe, person, poses[0], num_inference_steps=6, callback_on_step_end=stop)
            return len(steps), pipe.interrupt

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(run, (0, 2, 4, 9))) == [(1, True), (3, True), (5, True), (6, False)]

    def test_another_thread_stops_a_call(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        started, stopped, steps = threading.Event(), threading.Event(), []

        def wait(_: CFLDPipeline, i: int, *__: Any) -> None:
            steps.append(i)
            started.set()
            assert stopped.wait(60)

        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(generate, pipe, person, poses[0], callback_on_step_end=wait)
            assert started.wait(60)
            pipe._interrupt = True
            stopped.set()
            running.result()
        assert steps == [0]


def check_threads(run: Callable[[int], Tensor], count: int) -> None:
    """Results of `run(0)`, `run(1)`, ... in threads at once are those of one after the other, to the bit."""
    alone = [run(i) for i in range(count)]
    with ThreadPoolExecutor(count) as threads:
        together = list(threads.map(run, range(count)))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


class TestCallbacks:
    def test_the_callback_is_called_at_each_step(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        seen: list[tuple[int, int, tuple[int, ...]]] = []

        def look(p: CFLDPipeline, i: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            assert p is pipe
            seen.append((i, int(t), tuple(tensors["latents"].shape)))
            return {}

        looked_at = generate(pipe, person, poses[0], callback_on_step_end=look)
        timesteps = schedulers.start(pipe.scheduler, STEPS).timesteps
        assert seen == [(i, int(t), (1, 4, 8, 8)) for i, t in enumerate(timesteps)]
        assert pipe.num_timesteps == STEPS
        assert torch.equal(looked_at, generate(pipe, person, poses[0]))

    def test_latents_may_be_changed(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        zeros = generate(
            pipe, person, poses[0], callback_on_step_end=lambda *a: {"latents": torch.zeros_like(a[3]["latents"])}
        )
        assert not zeros.any()

    def test_the_run_may_be_stopped(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        steps = []

        def stop(p: CFLDPipeline, i: int, *_: Any) -> None:
            steps.append(i)
            p._interrupt = i == 1

        generate(pipe, person, poses[0], num_inference_steps=5, callback_on_step_end=stop)
        assert steps == [0, 1]
        assert pipe.interrupt
        generate(pipe, person, poses[0], callback_on_step_end=lambda *_: None)
        assert not pipe.interrupt

    def test_only_latents_are_available(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        generate(pipe, person, poses[0], callback_on_step_end_tensor_inputs=["latents"])
        with pytest.raises(ValueError, match="prompt_embeds"):
            generate(pipe, person, poses[0], callback_on_step_end_tensor_inputs=["prompt_embeds"])

    def test_the_progress_bar_counts_steps(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints], capsys: pytest.CaptureFixture[str]
    ) -> None:
        pipe.set_progress_bar_config(disable=False)
        try:
            generate(pipe, person, poses[0])
        finally:
            pipe.set_progress_bar_config(disable=True)
        assert f"{STEPS}/{STEPS}" in capsys.readouterr().err


class TestOutput:
    def test_kinds(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        images = {kind: generate(pipe, person, poses[:2], output_type=kind) for kind in ("pil", "np", "pt", "latent")}
        assert [image.size for image in images["pil"]] == [(44, 64)] * 2
        assert images["np"].shape == (2, 64, 44, 3)
        assert images["pt"].shape == (2, 3, 64, 44)
        assert images["latent"].shape == (2, 4, 8, 8)
        np.testing.assert_allclose(images["np"], images["pt"].permute(0, 2, 3, 1).numpy())
        np.testing.assert_array_equal(np.asarray(images["pil"][0]), (images["np"][0] * 255).round())
        assert images["np"].min() >= 0
        assert images["np"].max() <= 1

    def test_as_a_tuple(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        (images,) = pipe(person, poses[0], num_inference_steps=1, return_dict=False)
        assert isinstance(images[0], Image.Image)

    def test_of_another_size(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        (image,) = pipe(person, poses[0], num_inference_steps=1, height=30, width=71).images
        assert image.size == (71, 30)
        (image,) = pipe(person, poses[0], num_inference_steps=1, height=30).images
        assert image.size == (44, 30)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
    def test_other_dtypes(
        self,
        dtype: torch.dtype,
        make_pipe: Callable[..., CFLDPipeline],
        pipe: CFLDPipeline,
        person: Image.Image,
        poses: list[Keypoints],
    ) -> None:
        other = make_pipe().to(dtype)
        source = other.encode_source(person)
        assert source.prompt_embeds.dtype == dtype
        image = generate(other, source, poses[0], output_type="pt")
        assert image.float().isfinite().all()
        tolerance = 1e-4 if dtype == torch.float64 else 0.15
        latents = torch.randn(1, 4, 8, 8)
        a, b = (
            generate(p, person, poses[0], latents=latents, num_inference_steps=1, output_type="pt")
            for p in (pipe, other)
        )
        assert (a - b).abs().mean() < tolerance

    def test_conditions_are_cast_to_the_dtype_of_the_unet(
        self, make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
    ) -> None:
        other = make_pipe()
        source, pose = other.encode_source(person), other.encode_pose(poses[0])
        assert generate(other.to(torch.bfloat16), source, pose).dtype == torch.bfloat16


class TestUnits:
    """Numbers in another unit are understood or refused."""

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_a_tensor_of_0_to_255_is_its_image(
        self, dtype: torch.dtype, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        tensor = to_tensor(person).to(dtype)
        assert torch.equal(generate(pipe, tensor, poses[0]), generate(pipe, person, poses[0]))

    @pytest.mark.parametrize("change", [lambda yx: yx + 1000, lambda yx: yx / 256, lambda yx: yx * np.inf])
    def test_poses_that_show_nobody_raise(
        self, change: Callable[..., Any], pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        with pytest.raises(ValueError, match=r"no joint or limb|fractions of an image|-?inf"):
            pipe(person, change(poses[0].yx))

    def test_no_pose_is_the_null_condition(self, pipe: CFLDPipeline, person: Image.Image) -> None:
        without = generate(pipe, person, pipe.conditioner.null(1))
        assert torch.isfinite(without).all()
        with pytest.raises(ValueError, match=r"conditioner\.null"):
            pipe(person, torch.zeros(21, *pipe.conditioner.pose_size))

    def test_a_wide_source_and_a_wide_pose_keep_their_proportions(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        wide, shape, side = Image.new("RGB", (700, 300), "white"), (64, 44), pipe.conditioner.config.source_size
        wide.paste(person, (100, 100))
        pose = Keypoints(poses[0].yx + (20, 300), (300, 700))  # noqa: RUF005
        square = letterbox(to_model_range(to_tensor(wide)), shape, side)
        assert torch.equal(generate(pipe, wide, pose), generate(pipe, square, fit_poses([pose], shape)[0]))

    def test_data_sets_are_stretched_as_in_training(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        wide, pose = person.resize((90, 40)), poses[0].scaled((128, 256))
        side, size = pipe.conditioner.config.source_size, pipe.conditioner.pose_size
        square = resize(to_model_range(to_tensor(wide)), (side, side))[None]
        expected = pipe.conditioner(square, pose_map(pose, size=size)[None])
        source, found = pipe.encode_source(wide, as_in_training=True), pipe.encode_pose(pose, as_in_training=True)
        assert torch.equal(source.prompt_embeds, expected.prompt_embeds)
        for a, b in zip(found.pose_features, expected.pose_features, strict=True):
            assert torch.equal(a, b)
        nobody = Keypoints(np.full((18, 2), -1))
        assert pipe.encode_pose(nobody, as_in_training=True).batch_size == 1

    def test_latents_that_are_not_finite_raise(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        latents = torch.full((1, pipe.unet.config.in_channels, *pipe.conditioner.latent_size), float("nan"))
        with pytest.raises(ValueError, match="latents hold NaN"):
            pipe(person, poses[0], latents=latents)

    @pytest.mark.parametrize("broken", ["unet", "vae", "scale"])
    def test_results_that_are_not_finite_raise(
        self, broken: str, make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
    ) -> None:
        """They would be black images."""
        pipe = make_pipe()
        if broken != "scale":
            next(getattr(pipe, broken).parameters()).data.fill_(float("nan"))
        if broken == "vae":
            next(pipe.vae.decoder.parameters()).data.fill_(float("nan"))
        scale = 1e38 if broken == "scale" else 2.0
        name = "images" if broken == "vae" else "latents"
        with pytest.raises(FloatingPointError, match=f"the {name} hold NaN or infinite values; check"):
            pipe(person, poses[0], num_inference_steps=2, pose_guidance_scale=scale)

    def test_sizes_of_numpy_are_numbers(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        options = {"num_inference_steps": 1, "height": np.int64(32), "width": np.int32(20)}
        assert pipe(person, poses[0], **options).images[0].size == (20, 32)


class TestPairing:
    def test_one_source_many_poses(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        latents = generate(pipe, person, poses, generator=generators(0, 1, 2, 3))
        third = generate(pipe, person, poses[2], generator=generators(2))
        torch.testing.assert_close(latents[2:3], third, atol=1e-4, rtol=1e-5)

    def test_many_sources_one_pose(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        people = [person, person.rotate(180), person.convert("L")]
        latents = generate(pipe, people, poses[1], generator=generators(0, 1, 2))
        second = generate(pipe, people[1], poses[1], generator=generators(1))
        torch.testing.assert_close(latents[1:2], second, atol=1e-4, rtol=1e-5)

    def test_as_many_of_both(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        people = [person, person.rotate(180)]
        latents = generate(pipe, people, poses[:2], generator=generators(0, 1))
        second = generate(pipe, people[1], poses[1], generator=generators(1))
        torch.testing.assert_close(latents[1:2], second, atol=1e-4, rtol=1e-5)

    def test_other_batch_sizes_raise(self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
        with pytest.raises(ValueError, match="2 sources and 3 poses"):
            generate(pipe, [person] * 2, poses[:3])


class TestEconomy:
    def test_encoded_inputs_give_the_same_result(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        direct = generate(pipe, person, poses[0])
        kept = generate(pipe, pipe.encode_source(person), pipe.encode_pose(poses[0]))
        assert torch.equal(direct, kept)

    def test_each_source_and_pose_is_encoded_once(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        c = pipe.conditioner
        with Calls(
            source=c.source_encoder, prompt=c.prompt_decoder, bias=c.appearance_encoders[0], pose=c.pose_adapter
        ) as calls:
            generate(pipe, person, poses)
            assert calls.batch_sizes == {"source": [1], "prompt": [1], "bias": [1], "pose": [4]}
            generate(pipe, [person] * 3, poses[0])
            assert calls.batch_sizes == {"source": [1, 3], "prompt": [1, 3], "bias": [1, 3], "pose": [4, 1]}
            source, pose = pipe.encode_source(person), pipe.encode_pose(poses[0])
            for _ in range(3):
                generate(pipe, source, poses[1])
                generate(pipe, person.rotate(180), pose)
            assert calls.batch_sizes["source"] == [1, 3, 1] + [1] * 3
            assert calls.batch_sizes["pose"] == [4, 1, 1] + [1] * 3

    def test_keys_and_values_of_the_prompt_are_computed_once_per_call(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        crosses = {n.replace(".", "_"): m.to_k for n, m in pipe.unet.named_modules() if n.endswith("attn2")}
        selves = {n.replace(".", "_"): m.to_k for n, m in pipe.unet.named_modules() if n.endswith("attn1")}
        assert len(crosses) == len(selves) == 10
        with Calls(**crosses, **selves, unet=pipe.unet) as calls:
            generate(pipe, person, poses[:2], num_inference_steps=5)
            assert calls.batch_sizes["unet"] == [4] * 5  # w_pose = w_app: the middle branch is not computed
            assert all(calls.batch_sizes[name] == [4] for name in crosses)
            assert all(calls.batch_sizes[name] == [4] * 5 for name in selves)
            generate(pipe, person.rotate(180), poses[0])
            assert all(calls.batch_sizes[name] == [4, 2] for name in crosses)  # and anew for the next sampling

    def test_guidance_scales_determine_the_branches(
        self, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        for scales, branches in (((1, 1), 1), ((2, 2), 2), ((2, 3), 3), ((0, 0), 1)):
            with Calls(unet=pipe.unet) as calls:
                generate(pipe, person, poses[0], pose_guidance_scale=scales[0], appearance_guidance_scale=scales[1])
            assert calls.batch_sizes["unet"] == [branches] * STEPS


class TestMemory:
    @pytest.mark.parametrize("sequential", [False, True])
    def test_offloading(
        self,
        sequential: bool,
        make_pipe: Callable[..., CFLDPipeline],
        pipe: CFLDPipeline,
        person: Image.Image,
        poses: list[Keypoints],
    ) -> None:
        """Sequential offloading leaves weights on the meta device until their module is called, so any other use of a
        weight fails. The accelerator is the CPU here."""
        other = make_pipe()
        if sequential:  # what enable_sequential_cpu_offload does, whose "cpu:0" accelerate does not take
            for part in (other.conditioner, other.unet, other.vae):
                accelerate.cpu_offload(part, torch.device("cpu"), offload_buffers=len(part._parameters) > 0)
            assert other.conditioner.null_prompt.is_meta
        else:
            other.enable_model_cpu_offload(device="cpu")
        for _ in range(2):
            torch.testing.assert_close(generate(other, person, poses[0]), generate(pipe, person, poses[0]))
        source = other.encode_source(person)
        image = generate(other, source, poses[:2], output_type="pt")
        torch.testing.assert_close(image, generate(pipe, person, poses[:2], output_type="pt"))

    def test_vae_slicing_and_tiling(
        self, make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
    ) -> None:
        other = make_pipe()
        plain = generate(other, person, poses[:2], output_type="pt")
        other.vae.enable_slicing()
        torch.testing.assert_close(generate(other, person, poses[:2], output_type="pt"), plain, atol=1e-5, rtol=1e-5)
        other.vae.disable_slicing()
        other.vae.enable_tiling()
        other.vae.tile_latent_min_size = 6
        with Calls(decoder=other.vae.decoder) as calls:
            assert generate(other, person, poses[:2], output_type="pt").shape == plain.shape
        assert len(calls.batch_sizes["decoder"]) > 1


class TestBadFolders:
    @pytest.fixture
    def folder(self, model_folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(model_folder, tmp_path / "model"))

    @pytest.mark.parametrize("part", ["conditioner", "unet", "vae", "scheduler"])
    def test_a_missing_component(self, folder: Path, part: str) -> None:
        shutil.rmtree(folder / part)
        self.check_raises(folder, f"{part}/")

    @pytest.mark.parametrize("part", ["conditioner", "unet", "vae"])
    def test_missing_weights(self, folder: Path, part: str) -> None:
        (folder / part / "diffusion_pytorch_model.safetensors").unlink()
        self.check_raises(folder, f"no weights .* in {part}")

    @pytest.mark.parametrize("part", ["conditioner", "unet", "vae"])
    def test_truncated_weights(self, folder: Path, part: str) -> None:
        file = folder / part / "diffusion_pytorch_model.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
        self.check_raises(folder, f"{part} does not load")

    def test_swapped_components(self, folder: Path) -> None:
        (folder / "unet").rename(folder / "other")
        (folder / "vae").rename(folder / "unet")
        (folder / "other").rename(folder / "vae")
        self.check_raises(folder, "unet holds a AutoencoderKL")

    @pytest.mark.parametrize("content", ["{", "[]", "{}", '{"conditioner": 1}'])
    def test_a_broken_index(self, folder: Path, content: str) -> None:
        (folder / "model_index.json").write_text(content)
        self.check_raises(folder, "model_index")

    def test_a_broken_scheduler(self, folder: Path) -> None:
        (folder / "scheduler" / "scheduler_config.json").write_text("{")
        self.check_raises(folder, "scheduler")

    def test_an_unknown_class_in_the_index(self, folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps({**index, "scheduler": ["diffusers", "NoScheduler"]}))
        self.check_raises(folder, "model")

    def test_a_component_of_other_dimensions(self, folder: Path) -> None:
        model = tiny_model()
        build_conditioner(replace(model.conditioner, prompt_dim=32)).save_pretrained(folder / "conditioner")
        self.check_raises(folder, "must agree")

    def test_an_indivisible_source_size(self, folder: Path) -> None:
        config = json.loads((folder / "conditioner" / "config.json").read_text())
        (folder / "conditioner" / "config.json").write_text(json.dumps({**config, "source_size": 36}))
        self.check_raises(folder, "conditioner does not load: image_size 36 must be divisible by 32")

    def test_no_such_model(self, tmp_path: Path) -> None:
        self.check_raises(tmp_path / "none", "no such model folder")
        self.check_raises(tmp_path, "no model_index.json")

    def check_raises(self, folder: Path, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            CFLDPipeline.from_pretrained(folder)


class TestBadArguments:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"unet_channels": (8, 16)}, "unet_channels"),
            ({"attentions_per_block": 3}, "attentions_per_block"),
            ({"prompt_dim": 32}, "prompt_dim"),
        ],
    )
    def test_components_that_do_not_match(self, change: dict[str, Any], message: str, pipe: CFLDPipeline) -> None:
        conditioner = build_conditioner(replace(tiny_model().conditioner, **change))
        with pytest.raises(ValueError, match=message):
            CFLDPipeline(**{**pipe.components, "conditioner": conditioner})

    def test_a_vae_with_other_latent_channels(self, pipe: CFLDPipeline) -> None:
        model: ModelConfig = tiny_model()
        from cfld.build import build_vae

        with pytest.raises(ValueError, match=r"latent_channels .*\(8 and 4\)"):
            CFLDPipeline(**{**pipe.components, "vae": build_vae(replace(model.vae, latent_channels=8))})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"num_inference_steps": 0}, "num_inference_steps"),
            ({"pose_guidance_scale": float("nan")}, "finite"),
            ({"appearance_guidance_scale": float("inf")}, "finite"),
            ({"output_type": "jpg"}, "output_type"),
            ({"height": 0}, "height must be between 1 and 8,192, got 0"),
            ({"width": -3}, "width must be between 1 and 8,192, got -3"),
            ({"generator": generators(1, 2)}, "2 generators for 1 samples"),
            ({"latents": torch.zeros(1, 4, 4, 4)}, "latents must have shape"),
            ({"latents": np.zeros((1, 4, 8, 8))}, "latents must have shape .*, as a tensor, got ndarray"),
            ({"height": 10.5}, r"\(height, width\) in pixels, got \(10.5, 44\)"),
            ({"generator": 0}, r"generator must be .*, got 0; .*manual_seed\(0\)"),
            ({"generator": [0]}, r"got \[0\]"),
            ({"num_inference_steps": 1001}, "1 to 1000 with DDPMScheduler, got 1001"),
            ({"num_inference_steps": 2.5}, "whole number, got 2.5"),
        ],
    )
    def test_invalid_arguments_raise(
        self, options: dict[str, Any], message: str, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        with pytest.raises(ValueError, match=message):
            generate(pipe, person, poses[0], **options)

    @pytest.mark.parametrize(
        "pack", [lambda yx: yx.tolist(), lambda yx: [yx.tolist()], lambda _: None, lambda _: "walk"]
    )
    def test_poses_that_are_no_arrays(
        self, pack: Callable[[Any], Any], pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        with pytest.raises(ValueError, match=r"target_pose must be Keypoints.* numpy.array\(target_pose\)"):
            generate(pipe, person, pack(poses[0].yx))

    def test_components_of_several_dtypes(
        self, make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
    ) -> None:
        other = make_pipe()
        other.unet.to(torch.bfloat16)
        with pytest.raises(ValueError, match=r"several dtypes \(conditioner: float32, unet: bfloat16\).*pipe.to"):
            generate(other, person, poses[0])
        other.to(torch.bfloat16).vae.to(torch.float32)  # a VAE of its own dtype is common
        assert generate(other, person, poses[0], output_type="pt").isfinite().all()

    @pytest.mark.parametrize("name", ["conditioner", "unet", "vae"])
    def test_components_on_several_devices(
        self, name: str, make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
    ) -> None:
        other = make_pipe()
        getattr(other, name).to("meta")
        with pytest.raises(ValueError, match=rf"several devices \(.*{name}: meta.*pipe.to"):
            generate(other, person, poses[0])

    @pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler", "IPNDMScheduler"])
    def test_schedulers_that_do_not_fit(
        self, name: str, pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
    ) -> None:
        scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config)
        other = CFLDPipeline(**{**pipe.components, "scheduler": scheduler})
        with pytest.raises(ValueError, match=rf"^{name} does not .*, UniPCMultistepScheduler$"):
            generate(other, person, poses[0])


def test_all_forms_of_a_pose_are_equivalent(pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    """`Keypoints`, an (18, 2) array or tensor, or a pose map."""
    expected = generate(pipe, person, poses[0])
    for pose in (poses[0].yx, torch.from_numpy(poses[0].yx), pose_map(poses[0], size=pipe.conditioner.pose_size)):
        assert torch.equal(generate(pipe, person, pose), expected)


def test_schedulers_are_swapped_by_from_config(
    make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
) -> None:
    other = make_pipe()
    assert type(other.scheduler) is DDPMScheduler
    other.scheduler = DDIMScheduler.from_config(other.scheduler.config)
    assert torch.equal(generate(other, person, poses[0]), generate(other, person, poses[0]))
