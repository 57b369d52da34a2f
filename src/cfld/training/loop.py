"""The training loop.

    python -m cfld train tiny --out runs/tiny  # seconds, one process
    torchrun --nproc_per_node 8 -m cfld train deepfashion-256 --out runs/df --config.data.root DIR  # eight GPUs

The same command again goes on from the last whole checkpoint, exactly as if the run had never stopped: every draw is a
function of (seed, step, forward, process), and the position in the data a function of the step. `out` holds

    config.json   checkpoints/step-*   logs/   images/   latents/   model/ (when the run is done or was asked to stop)
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from cfld.config.schema import TrainConfig
from cfld.training.attention import training_attention
from cfld.training.batches import MicroBatches, derived_seed
from cfld.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from cfld.training.optim import learning_rate_factor
from cfld.training.setup import Run, make_accelerator, prepare
from cfld.training.signals import StopRequest, ignore_signals, stop_on_sigterm


def train(config: TrainConfig, out: str | Path) -> Path:
    """Trains, or goes on training, until the last step or SIGTERM.

    Args:
        out: the run's folder: new, or of a run with the same configuration.

    Returns:
        the folder of the saved model.

    Raises:
        ValueError: for a configuration, a data set, a model or a folder that does not do.
        OSError: when a checkpoint or the model cannot be written; the checkpoints that were there still are.
        FloatingPointError: naming the step, when the loss is no number; the last checkpoint is from before.
    """
    return train_run(config, out).out / "model"


def train_run(config: TrainConfig, out: str | Path) -> Run:
    """As `train`; the run tells whether it came to its last step."""
    accelerator = make_accelerator(config, Path(out))
    try:
        run = prepare(config, Path(out), accelerator)
        with stop_on_sigterm() as stop:
            run_steps(run, stop)
            if accelerator.is_main_process:
                export(run)
            accelerator.wait_for_everyone()
    finally:
        accelerator.end_training()
    return run


def run_steps(run: Run, stop: StopRequest) -> None:
    """Steps, logs, images and checkpoints, until the last step or a request to stop; a checkpoint at the end."""
    config, batches, saved = run.config, forwards(run), run.step
    with progress_bar(run) as bar:
        watch = StopWatch(run.step)
        while run.step < run.total_steps and not agreed(run.accelerator, stop):
            run.losses.append(train_step(run, batches))
            run.step += 1
            bar.update()
            if _due(run.step, config.log_every):
                log(run, bar, watch)
            with watch.paused():
                if _due(run.step, config.image_every):
                    save_images(run)
                if _due(run.step, config.checkpoint_every):
                    save(run)
                    saved = run.step
        if saved != run.step:
            save(run)


class StopWatch:
    """Steps a second of training proper, without images and checkpoints."""

    def __init__(self, step: int) -> None:
        self._step, self._since = step, time.perf_counter()

    def lap(self, step: int) -> float:
        """Steps a second since the last lap."""
        now = time.perf_counter()
        speed = (step - self._step) / (now - self._since)
        self._step, self._since = step, now
        return speed

    @contextmanager
    def paused(self) -> Iterator[None]:
        before = time.perf_counter()
        yield
        self._since += time.perf_counter() - before


def forwards(run: Run) -> Iterator[dict[str, Tensor]]:
    """The batches of this process from the run's position on, one a forward, on the device."""
    config, accelerator = run.config, run.accelerator
    keys = MicroBatches(
        len(run.stage.samples),
        config.batch_size,
        rank=accelerator.process_index,
        processes=accelerator.num_processes,
        seed=config.seed,
        start=run.step * config.accumulation,
        stop=run.total_steps * config.accumulation,
    )
    loader = DataLoader(
        run.stage.samples,
        batch_sampler=keys,
        num_workers=config.data.workers,
        worker_init_fn=ignore_signals,
        pin_memory=accelerator.device.type == "cuda",
    )
    for batch in loader:
        yield {name: tensor.to(accelerator.device, non_blocking=True) for name, tensor in batch.items()}


def train_step(run: Run, batches: Iterator[dict[str, Tensor]]) -> Tensor:
    """One optimiser step of one or more forwards; returns the mean loss, still on the device."""
    config, accelerator = run.config, run.accelerator
    factor = learning_rate_factor(run.step, run.total_steps, config.optim)
    for group in run.optimizer.param_groups:
        group["lr"] = config.optim.learning_rate * factor
    losses = []
    for forward in range(config.accumulation):
        batch = next(batches)
        torch.manual_seed(derived_seed(config.seed, run.step, forward, accelerator.process_index))
        with accelerator.accumulate(run.model), training_attention(accelerator.device):
            loss = run.model(**run.stage.inputs(batch))
            accelerator.backward(loss)  # divides by the accumulation: the one place that does
            if accelerator.sync_gradients and config.optim.max_grad_norm is not None:
                accelerator.clip_grad_norm_(run.parameters.values(), config.optim.max_grad_norm)
            run.optimizer.step()
            run.optimizer.zero_grad()
        losses.append(loss.detach())
    if run.average is not None:
        run.average.update(run.step + 1)
    return torch.stack(losses).mean()


def read_losses(run: Run) -> float:
    """The mean loss of the steps since the last call, over all processes.

    Raises:
        FloatingPointError: naming the first step whose loss is not finite.
    """
    if not run.losses:
        return float("nan")
    losses: list[float] = run.accelerator.reduce(torch.stack(run.losses), "mean").tolist()
    first = run.step - len(losses) + 1
    run.losses.clear()
    for step, loss in enumerate(losses, start=first):
        if not abs(loss) < float("inf"):
            raise FloatingPointError(f"the loss is {loss} at step {step}; {_last_good(run)}")
    return sum(losses) / len(losses)


def save(run: Run) -> None:
    """Writes a checkpoint of a run whose losses and weights are finite.

    Raises:
        FloatingPointError: when they are not. OSError as `save_checkpoint`.
    """
    read_losses(run)
    norms = torch.stack([weight.detach().norm() for weight in run.parameters.values()])
    if not torch.isfinite(norms).all():
        raise FloatingPointError(f"a weight is not finite after step {run.step}; {_last_good(run)}")
    if run.accelerator.is_main_process:
        scaler = run.accelerator.scaler
        checkpoint = Checkpoint(
            step=run.step,
            weights=run.parameters,
            average=run.average.weights if run.average is not None else {},
            optimizer=run.optimizer.state_dict(),
            scaler=scaler.state_dict() if scaler is not None else {},
            facts=run.facts,
        )
        save_checkpoint(run.checkpoints, checkpoint)
    run.accelerator.wait_for_everyone()


def log(run: Run, bar: tqdm[Any], watch: StopWatch) -> None:
    """Loss, learning rate and images a second, to the bar and the trackers."""
    loss, rate = read_losses(run), run.optimizer.param_groups[0]["lr"]
    images_a_step = run.config.batch_size * run.config.accumulation * run.accelerator.num_processes
    speed = watch.lap(run.step) * images_a_step
    bar.set_postfix_str(f"loss {loss:.4f}, {speed:.1f} images/s", refresh=False)
    run.accelerator.log({"loss": loss, "learning_rate": rate, "images_per_second": speed}, step=run.step)


def save_images(run: Run) -> None:
    """`images/step-....png`, and the same to the trackers that take images."""
    if run.accelerator.is_main_process:
        with weights_to_save(run):
            image = run.stage.images()
        path = run.out / "pictures" / f"step-{run.step:08d}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
        for tracker in run.accelerator.trackers:
            if hasattr(tracker, "log_images"):
                layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
                tracker.log_images({"images": np.asarray(image)[None]}, step=run.step, **layout)
    run.accelerator.wait_for_everyone()


def export(run: Run) -> None:
    """Writes `model/`; an earlier one stays until the new one is whole.

    Raises:
        OSError: when it cannot be written.
    """
    new, model, old = (run.out / name for name in ("model.new", "model", ".model-old"))
    try:
        with weights_to_save(run):
            run.stage.export(new)
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise OSError(f"{model}: the model cannot be saved ({reason}); {_last_good(run)}") from None
    if model.exists():
        model.rename(old)
    new.rename(model)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def weights_to_save(run: Run) -> Iterator[None]:
    """Inside, the model is what will be saved: in evaluation mode, with averaged weights where they are kept."""
    with ExitStack() as stack:
        if run.average is not None:
            stack.enter_context(run.average.applied())
        run.stage.objective.eval()
        stack.callback(run.stage.objective.train)
        yield


def progress_bar(run: Run) -> tqdm[Any]:
    """Steps, speed and time left; on a terminal often, in a log file twice a minute."""
    return tqdm(
        desc=run.config.stage,
        unit="step",
        initial=run.step,
        total=run.total_steps,
        disable=not run.accelerator.is_main_process,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )


def agreed(accelerator: Accelerator, stop: StopRequest) -> bool:
    """Whether any process was asked to stop; all get the same answer."""
    if accelerator.num_processes == 1:
        return stop.requested
    requests = torch.tensor(int(stop.requested), device=accelerator.device)
    return bool(accelerator.reduce(requests, "sum"))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _last_good(run: Run) -> str:
    last = newest_checkpoint(run.checkpoints)
    return f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
