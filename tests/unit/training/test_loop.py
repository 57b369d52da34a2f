import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from cfld.config.schema import OptimConfig, TrainConfig, VAEStageConfig
from cfld.contact_sheet import GAP
from cfld.pipeline import CFLDPipeline
from cfld.training.checkpoint import newest_checkpoint
from cfld.training.loop import (
    StopRequest,
    export,
    forwards,
    run_steps,
    save,
    save_images,
    stop_on_sigterm,
    train,
    train_step,
)
from cfld.training.setup import Run, make_accelerator, prepare


def make_run(config: TrainConfig, out: Path) -> Run:
    return prepare(config, out, make_accelerator(config, out))


def weights(out: Path, file: str = "weights") -> dict[str, Tensor]:
    newest = newest_checkpoint(out / "checkpoints")
    assert newest is not None
    return load_file(newest / f"{file}.safetensors")


def frozen_bits(run: Run) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in run.stage.frozen.items()}


@pytest.mark.parametrize("trained", ["kv", "qkv"])
def test_what_is_frozen_stays_bit_for_bit(config: TrainConfig, tmp_path: Path, trained: Any) -> None:
    run = make_run(replace(config.with_stage(unet_weights=trained), optim=OptimConfig(learning_rate=1.0)), tmp_path)
    frozen, before = frozen_bits(run), {name: p.detach().clone() for name, p in run.parameters.items()}
    run_steps(run, StopRequest())
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in run.stage.frozen.items())
    assert any(name.startswith("unet.") for name in frozen)
    assert any(name.startswith("vae.") for name in frozen)
    moved = [name for name, p in run.parameters.items() if not torch.equal(p, before[name])]
    assert any(name.startswith("unet.") for name in moved)
    in_optimizer = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
    assert in_optimizer == {id(p) for p in run.parameters.values()}


def test_the_loss_is_divided_by_the_accumulation_once(config: TrainConfig, tmp_path: Path) -> None:
    """One fixed forward, four times over in one step, gives its own gradient."""
    gradients = []
    for accumulation in (1, 4):
        run = make_run(replace(config, accumulation=accumulation), tmp_path / str(accumulation))
        batch = next(forwards(run))
        calm(run)
        monitor = Gradients(run)
        train_step(run, iter([batch] * accumulation))
        gradients.append(monitor.seen)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-7)


def test_a_step_reports_the_mean_of_its_forwards(config: TrainConfig, tmp_path: Path) -> None:
    run = make_run(replace(config, accumulation=2), tmp_path)
    batch = next(forwards(run))
    calm(run)
    with torch.no_grad():
        expected = run.model(**run.stage.inputs(batch))
    torch.testing.assert_close(train_step(run, iter([batch, batch])), expected)


def calm(run: Run) -> None:
    """Makes every forward pass of a run use the same noise."""
    objective, inputs = run.stage.objective, run.stage.inputs
    objective.eval()

    def fixed(batch: Any) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return inputs(batch)

    run.stage.inputs = fixed  # type: ignore[method-assign]


class Gradients:
    """What the optimiser steps with."""

    def __init__(self, run: Run) -> None:
        self.seen: dict[str, Tensor] = {}
        self.run = run
        run.optimizer.optimizer.register_step_pre_hook(self._look)

    def _look(self, *_: object) -> None:
        self.seen = {name: p.grad.clone() for name, p in self.run.parameters.items() if p.grad is not None}


@pytest.mark.parametrize("after", [1, 2, 3])
def test_nan_stops_with_the_step_and_keeps_the_last_good_checkpoint(
    config: TrainConfig, tmp_path: Path, after: int
) -> None:
    """With a log every 10 steps the loss is looked at before each save all the same."""
    run = make_run(replace(config, max_steps=6, log_every=10, checkpoint_every=2), tmp_path)
    original = run.stage.inputs

    def poison(batch: Any) -> dict[str, Tensor]:
        if run.step == after:
            run.parameters["unet.conv_in.weight"].data.fill_(float("nan"))
        return original(batch)

    run.stage.inputs = poison  # type: ignore[method-assign]
    with pytest.raises(FloatingPointError, match=f"the loss is nan at step {after + 1}; "):
        run_steps(run, StopRequest())
    kept = newest_checkpoint(run.checkpoints)
    assert (kept is None) == (after == 1)
    assert kept is None or all(tensor.isfinite().all() for tensor in weights(tmp_path).values())


def test_weights_that_broke_in_the_last_update_are_not_saved(config: TrainConfig, tmp_path: Path) -> None:
    run = make_run(config, tmp_path)
    next(iter(run.parameters.values())).data.fill_(float("inf"))
    with pytest.raises(FloatingPointError, match="a weight is not finite after step 0; there is no checkpoint yet"):
        save(run)
    assert newest_checkpoint(run.checkpoints) is None


def test_the_average_is_saved_as_the_model(config: TrainConfig, tmp_path: Path) -> None:
    config = replace(config, ema_decay=0.9, optim=OptimConfig(learning_rate=0.01, warmup_steps=0))
    pipe = CFLDPipeline.from_pretrained(train(config, tmp_path).out / "model")
    average, trained = weights(tmp_path, "average"), weights(tmp_path)
    saved = {f"unet.{name}": tensor for name, tensor in pipe.unet.state_dict().items()}
    name = next(name for name in saved if name in average and not torch.equal(average[name], trained[name]))
    assert torch.equal(saved[name], average[name])


def test_a_run_resumes_from_its_checkpoint_and_may_become_longer(config: TrainConfig, tmp_path: Path) -> None:
    train(config, tmp_path)
    run = make_run(replace(config, max_steps=3), tmp_path)
    assert run.step == 2
    run_steps(run, StopRequest())
    assert run.step == 3
    export(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "config.json", "latents", "model"]


def test_a_request_ends_the_run_after_the_current_step(config: TrainConfig, tmp_path: Path) -> None:
    run, stop = make_run(replace(config, max_steps=100, checkpoint_every=50), tmp_path), StopRequest()

    def batches() -> Iterator[Any]:
        original = run.stage.inputs

        def ask(batch: Any) -> dict[str, Tensor]:
            stop.requested = run.step == 2
            return original(batch)

        run.stage.inputs = ask  # type: ignore[method-assign]
        yield

    next(batches())
    run_steps(run, stop)
    assert run.step == 3
    assert newest_checkpoint(run.checkpoints) == run.checkpoints / "step-00000003"


@pytest.mark.parametrize("stage", ["cfld", "vae"])
def test_images_and_logs_are_written_and_change_nothing(config: TrainConfig, tmp_path: Path, stage: str) -> None:
    plain = config if stage == "cfld" else replace(config, stage=VAEStageConfig())
    train(plain, tmp_path / "plain")
    train(replace(plain, image_every=1, image_count=2, log_with=("tensorboard",)), tmp_path / "shown")
    image = Image.open(tmp_path / "shown" / "pictures" / "step-00000001.png")
    columns, width = (4, 44) if stage == "cfld" else (2, 64)
    assert image.width == columns * width + (columns + 1) * GAP
    assert image.height > 2 * 64
    assert any((tmp_path / "shown" / "logs").rglob("events.*"))
    one, other = weights(tmp_path / "plain"), weights(tmp_path / "shown")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_sample_images_that_are_not_finite_are_left_out(
    config: TrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(config, tmp_path)
    weight = next(iter(run.stage.context.components.vae.decoder.parameters()))
    weight.data.fill_(float("nan"))
    save_images(run)
    assert "no sample images at step 0: the images hold NaN" in caplog.text
    assert not (tmp_path / "pictures").exists()


def test_bf16_keeps_its_weights_in_float32(config: TrainConfig, tmp_path: Path) -> None:
    train(replace(config, precision="bf16", gradient_checkpointing=True), tmp_path)
    assert {tensor.dtype for tensor in weights(tmp_path).values()} == {torch.float32}


def test_fp16_trains_and_resumes_on_a_gpu_and_is_one_clear_line_elsewhere(config: TrainConfig, tmp_path: Path) -> None:
    config = replace(config, precision="fp16")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="fp16 needs a GPU; use bf16 or no"):
            train(config, tmp_path)
        return
    train(config, tmp_path)
    train(replace(config, max_steps=4), tmp_path)
    assert newest_checkpoint(tmp_path / "checkpoints") == tmp_path / "checkpoints" / "step-00000004"


def test_sigterm_becomes_a_request_inside() -> None:
    """In a process of its own, which the second signal ends."""
    lines = (
        "import os, signal",
        "from cfld.training.loop import stop_on_sigterm",
        "with stop_on_sigterm() as stop:",
        "    print(stop.requested)",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    print(stop.requested, flush=True)",
        "os.kill(os.getpid(), signal.SIGTERM)",
    )
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (-signal.SIGTERM, ["False", "True"]), ended.stderr


def test_other_threads_leave_the_handlers_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def body() -> None:
        with stop_on_sigterm() as stop:
            seen.append((stop, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [(StopRequest(requested=False), before)]
