"""The training loop.

    python -m cfld train tiny --out runs/tiny  # seconds, one process
    torchrun --nproc_per_node 8 -m cfld train deepfashion-256 --out runs/df --config.data.root DIR  # eight GPUs

The same command again resumes from the last complete checkpoint, to the bit as if the run had never stopped: all random
numbers are a function of (seed, step, forward pass, process), and the position in the data a function of the step.
`training.setup` describes the run directory.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from cfld.claims import claimed_folder
from cfld.config.schema import TrainConfig
from cfld.files import replacing, whole_folder
from cfld.training.batches import MicroBatches, derived_seed
from cfld.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from cfld.training.optim import learning_rate_factor
from cfld.training.setup import Run, make_accelerator, prepare
from cfld.training.workers import ignore_signals, loaded

logger = logging.getLogger(__name__)


def train(config: TrainConfig, out: str | Path) -> Run:
    """Trains, or resumes a run, until the last step or SIGTERM.

    Args:
        out: the run directory: new, or of a run with the same configuration.

    Returns:
        the run, whose model is saved in `out / "model"`; its `step` and `total_steps` say whether it was completed.

    Raises:
        ValueError: for an invalid configuration, data set, initial model or run directory, or one that another process
            writes.
        OSError: when a checkpoint or the model cannot be written; existing checkpoints stay.
        FloatingPointError: naming the step, when the loss or a weight is not finite; the last checkpoint is older.
    """
    accelerator = make_accelerator(config, Path(out))
    with claimed_folder(Path(out)) if accelerator.is_main_process else nullcontext():
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
    """Trains, logs and saves until the last step or a request to stop, and ends with a checkpoint."""
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
    """Steps per second, without the time for sample images and checkpoints."""

    def __init__(self, step: int) -> None:
        self._step, self._since = step, time.perf_counter()

    def lap(self, step: int) -> float:
        """Steps per second since the last call."""
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
    """The remaining batches of this process, one per forward pass, on the device."""
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
    for batch in loaded(loader):
        yield {name: tensor.to(accelerator.device, non_blocking=True) for name, tensor in batch.items()}


def train_step(run: Run, batches: Iterator[dict[str, Tensor]]) -> Tensor:
    """One optimiser step of one or more forward passes; returns the mean loss, still on the device."""
    config, accelerator = run.config, run.accelerator
    factor = learning_rate_factor(run.step, run.total_steps, config.optim)
    for group in run.optimizer.param_groups:
        group["lr"] = config.optim.learning_rate * factor
    losses = []
    for forward in range(config.accumulation):
        batch = next(batches)
        torch.manual_seed(derived_seed(config.seed, run.step, forward, accelerator.process_index))
        with accelerator.accumulate(run.model):
            loss = run.model(**run.stage.inputs(batch))
            accelerator.backward(loss)  # divides by the accumulation; nothing else does
            if accelerator.sync_gradients and config.optim.max_grad_norm is not None:
                accelerator.clip_grad_norm_(run.parameters.values(), config.optim.max_grad_norm)
            run.optimizer.step()
            run.optimizer.zero_grad()
        losses.append(loss.detach())
    if run.average is not None:
        run.average.step(run.parameters.values())
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
    """Writes a checkpoint.

    Raises:
        FloatingPointError: when a loss or a weight is not finite.
        OSError: as `save_checkpoint`.
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
            average=run.averaged_weights(),
            optimizer=run.optimizer.state_dict(),
            scaler=scaler.state_dict() if scaler is not None else {},
            facts=run.facts,
        )
        save_checkpoint(run.checkpoints, checkpoint)
    run.accelerator.wait_for_everyone()


def log(run: Run, bar: tqdm[Any], watch: StopWatch) -> None:
    """Reports loss, learning rate and images per second to the progress bar and the trackers."""
    loss, rate = read_losses(run), run.optimizer.param_groups[0]["lr"]
    images_per_step = run.config.batch_size * run.config.accumulation * run.accelerator.num_processes
    speed = watch.lap(run.step) * images_per_step
    bar.set_postfix_str(f"loss {loss:.4f}, {speed:.1f} images/s", refresh=False)
    run.accelerator.log({"loss": loss, "learning_rate": rate, "images_per_second": speed}, step=run.step)


def save_images(run: Run) -> None:
    """Writes a sheet of sample images to `pictures/`, and to the trackers that take images.

    Images that are not finite are left out: only a loss that is not finite ends a run.
    """
    if run.accelerator.is_main_process:
        try:
            with run.weights_to_save():
                image = run.stage.images()
        except FloatingPointError as error:
            logger.warning("no sample images at step %d: %s", run.step, error)
        else:
            _write_images(run, image)
    run.accelerator.wait_for_everyone()


def _write_images(run: Run, image: Image.Image) -> None:
    path = run.out / "pictures" / f"step-{run.step:08d}.png"
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        image.save(temporary)
    for tracker in run.accelerator.trackers:
        if hasattr(tracker, "log_images"):
            layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images({"images": np.asarray(image)[None]}, step=run.step, **layout)


def export(run: Run) -> None:
    """Writes `model/`; an earlier one stays until the new one is complete.

    Raises:
        OSError: when it cannot be written.
    """
    model = run.out / "model"
    try:
        with run.weights_to_save(), whole_folder(model, replace=True) as folder:
            run.stage.export(folder)
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise OSError(f"{model}: the model cannot be saved ({reason}); {_last_good(run)}") from None


def progress_bar(run: Run) -> tqdm[Any]:
    """Shows steps, speed and time left, more often on a terminal than in a log."""
    return tqdm(
        desc=run.config.stage.name,
        unit="step",
        initial=run.step,
        total=run.total_steps,
        disable=not run.accelerator.is_main_process,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )


@dataclass
class StopRequest:
    """Whether the run was asked to stop."""

    requested: bool = False


@contextmanager
def stop_on_sigterm() -> Iterator[StopRequest]:
    """Inside, SIGTERM only sets the request. Outside the main thread, signal handlers stay as they are."""
    stop = StopRequest()

    def request(number: int, frame: object) -> None:  # noqa: ARG001
        stop.requested = True

    try:
        before = signal.signal(signal.SIGTERM, request)
    except ValueError:  # not the main thread
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


def agreed(accelerator: Accelerator, stop: StopRequest) -> bool:
    """Whether any process was asked to stop; the same answer in all processes."""
    if accelerator.num_processes == 1:
        return stop.requested
    requests = torch.tensor(int(stop.requested), device=accelerator.device)
    return bool(accelerator.reduce(requests, "sum"))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _last_good(run: Run) -> str:
    last = newest_checkpoint(run.checkpoints)
    return f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
