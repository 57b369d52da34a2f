"""A run: what it consists of, how it is set up, and how it takes up the state of a checkpoint."""

from __future__ import annotations

import logging
import math
import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, ProjectConfiguration
from torch import Tensor, nn

from cfld.config.schema import TrainConfig
from cfld.training.checkpoint import fingerprint, load_checkpoint, newest_checkpoint, remove_unfinished
from cfld.training.optim import WeightAverage, copy_weights, make_optimizer
from cfld.training.run_dir import claim_folder
from cfld.training.stages import STAGES, Stage

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Run:
    """A run in progress.

    Attributes:
        model: `stage.objective` as accelerate prepared it.
        parameters: what trains, by its name in `stage.objective`.
        facts: what must be the same when the run goes on: how many processes, and what is frozen.
        step: optimiser steps done.
        losses: of the steps since the last look at them, still on the device.
    """

    config: TrainConfig
    out: Path
    accelerator: Accelerator
    stage: Stage
    model: nn.Module
    optimizer: Any
    parameters: dict[str, nn.Parameter]
    average: WeightAverage | None
    facts: dict[str, str | int]
    total_steps: int
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.out / "checkpoints"


def make_accelerator(config: TrainConfig, out: Path) -> Accelerator:
    """
    Raises:
        ValueError: for a precision that this machine does not have, and for a tracker that nobody knows.
    """
    if config.precision == "fp16" and not torch.cuda.is_available():
        raise ValueError("precision fp16 needs a GPU; use bf16 or no")
    trackers = [name for name in config.log_with if name != "none"]
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # else processes that were started together train side by side, alone
        mixed_precision=config.precision,
        gradient_accumulation_steps=config.accumulation,
        log_with=trackers or None,
        project_config=ProjectConfiguration(project_dir=str(out), logging_dir=str(out / "logs")),
        kwargs_handlers=[
            DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True),
            InitProcessGroupKwargs(timeout=timedelta(hours=12)),  # the others wait while one encodes the images
        ],
    )
    if absent := set(trackers) - {str(tracker) for tracker in accelerator.log_with}:
        logger.warning("not installed, so nothing is logged there: %s", ", ".join(sorted(absent)))
    return accelerator


def prepare(config: TrainConfig, out: Path, accelerator: Accelerator) -> Run:
    """Everything up to the first step, and the state of the newest checkpoint where there is one.

    Raises:
        ValueError: for a configuration, a data set, a model or a folder that does not do.
    """
    check_numbers(config)
    check_sizes(config)
    claim_folder(out, config, write=False)
    stage = STAGES[config.stage](config, out, accelerator)
    claim_folder(out, config, write=accelerator.is_main_process)  # only now: a start that fails claims nothing
    stage.objective.train()
    parameters = {name: p for name, p in stage.objective.named_parameters() if p.requires_grad}
    model, optimizer = accelerator.prepare(stage.objective, make_optimizer(parameters, config.optim))
    run = Run(
        config=config,
        out=out,
        accelerator=accelerator,
        stage=stage,
        model=model,
        optimizer=optimizer,
        parameters=parameters,
        average=WeightAverage(parameters, config.ema_decay) if config.ema_decay is not None else None,
        facts={"processes": accelerator.num_processes, "frozen": fingerprint(stage.frozen)},
        total_steps=total_steps(config, len(stage.samples), accelerator.num_processes),
    )
    if accelerator.is_main_process:
        _remove_leftovers(run)
    accelerator.wait_for_everyone()
    if checkpoint := newest_checkpoint(run.checkpoints):
        restore(run, checkpoint)
    accelerator.init_trackers("cfld", init_kwargs={"tensorboard": {"purge_step": run.step + 1}})
    return run


def restore(run: Run, path: Path) -> None:
    """Puts the run where the checkpoint was.

    Raises:
        ValueError: when the checkpoint is damaged, or of other processes or frozen weights.
    """
    checkpoint = load_checkpoint(path)
    for name, value in run.facts.items():
        if checkpoint.facts[name] != value:
            raise ValueError(f"{path} was made with {name}={checkpoint.facts[name]}, this run has {value}")
    run.step = checkpoint.step
    copy_weights(run.parameters, checkpoint.weights)
    run.optimizer.load_state_dict(dict(checkpoint.optimizer))
    if run.average is not None:
        run.average.load(checkpoint.average)
    if run.accelerator.scaler is not None:
        run.accelerator.scaler.load_state_dict(dict(checkpoint.scaler))
    if run.accelerator.is_main_process:
        logger.info("going on from %s", path)


def total_steps(config: TrainConfig, samples: int, processes: int) -> int:
    """Optimiser steps of the whole run; an epoch has as many as its samples fill, at least one."""
    if config.max_steps is not None:
        return config.max_steps
    return round(config.epochs * max(1, samples // (config.batch_size * config.accumulation * processes)))


def check_sizes(config: TrainConfig) -> None:
    """Raises ValueError for images and crops that the VAE or the source encoder cannot take."""
    model, scale = config.model, 2 ** (len(config.model.vae.block_out_channels) - 1)
    wanted = model.conditioner.source_size // model.conditioner.patch_size * scale
    if config.stage == "cfld" and model.vae.sample_size != wanted:
        raise ValueError(
            f"model.vae.sample_size must be {wanted}, as the source encoder has it, got {model.vae.sample_size}"
        )
    for side in (model.vae.sample_size, config.crop or scale):
        if side % scale or not 0 < side <= model.vae.sample_size:
            raise ValueError(f"the VAE needs images and crops divisible by {scale}, at most whole, got {side}")
    if config.loss_resolution == "output" and config.crop is not None:
        raise ValueError(f"loss_resolution output needs whole images: set crop to None, got {config.crop}")


def check_numbers(config: TrainConfig) -> None:
    """Raises ValueError for a batch or a length of the run below 1, and a chance, share or strength that is none."""
    for name in ("condition_dropout", "reconstruction_share", "flip"):
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"{name} must lie from 0 to 1, got {getattr(config, name)}")
    for name in ("batch_size", "accumulation", "max_steps"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name in ("dream_detail_preservation", "latent_noise"):
        value = getattr(config, name)
        if value is not None and not 0 <= value < math.inf:
            raise ValueError(f"{name} must be 0 or more, got {value}")


def _remove_leftovers(run: Run) -> None:
    """What a run that was killed while saving has left behind."""
    remove_unfinished(run.checkpoints)
    for folder in [*run.out.glob("model.new"), *run.out.glob(".model*")]:
        shutil.rmtree(folder, ignore_errors=True)
    for file in run.out.rglob(".*.part"):
        file.unlink(missing_ok=True)
