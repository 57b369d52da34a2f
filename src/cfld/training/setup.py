"""Everything that happens before the first step, in order.

The run directory belongs to one configuration:

config.json   checkpoints/step-*   logs/   pictures/   latents/   model/ (at the end, or when stopped)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, ProjectConfiguration
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from cfld import build
from cfld.config import io
from cfld.config.schema import ModelConfig, TrainConfig
from cfld.convert import load_scheduler
from cfld.models import hybrid_granularity_attention
from cfld.models.loading import load_component
from cfld.training.batches import open_data
from cfld.training.checkpoint import Checkpoint
from cfld.training.optim import make_optimizer
from cfld.training.resume import digest_inputs, resumable_checkpoint, run_facts
from cfld.training.stages import STAGES, Stage, StageContext

logger = logging.getLogger(__name__)

MAY_DIFFER: Final = (
    "max_steps",
    "epochs",
    "checkpoint_every",
    "log_every",
    "log_with",
    "image_every",
    "image_count",
    "data.workers",
    "data.cache_in_memory",
)
"""Fields that may change when a run is resumed: its length, what it reports, and the resources it uses."""


@dataclass(kw_only=True)
class Run:
    """A run in progress.

    Attributes:
        model: `stage.objective` as accelerate prepared it.
        parameters: the parameters that train, by their names in `stage.objective`.
        average: of `parameters`, in that order; None = not kept.
        facts: as in `Checkpoint`.
        step: optimiser steps done.
        losses: of the steps since they were last read, still on the device.
    """

    config: TrainConfig
    out: Path
    accelerator: Accelerator
    stage: Stage
    model: nn.Module
    optimizer: Any
    parameters: dict[str, nn.Parameter]
    average: Any
    facts: dict[str, str | int]
    total_steps: int
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.out / "checkpoints"

    def averaged_weights(self) -> dict[str, Tensor]:
        """The moving average by parameter name; empty where none is kept."""
        return {} if self.average is None else dict(zip(self.parameters, self.average.shadow_params, strict=True))

    @contextmanager
    def weights_to_save(self) -> Iterator[None]:
        """Inside, the model is in evaluation mode and has its averaged weights where they are kept."""
        self.stage.objective.eval()
        if self.average is not None:
            self.average.store(self.parameters.values())
            self.average.copy_to(self.parameters.values())
        try:
            yield
        finally:
            if self.average is not None:
                self.average.restore(self.parameters.values())
            self.stage.objective.train()


def make_accelerator(config: TrainConfig, out: Path) -> Accelerator:
    """
    Raises:
        ValueError: for a precision that this machine does not support, and for an unknown tracker.
    """
    if config.precision == "fp16" and not torch.cuda.is_available():
        raise ValueError("precision fp16 needs a GPU; use bf16 or no")
    trackers = [name for name in config.log_with if name != "none"]
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # without it, processes on CPUs would each train on their own
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
        logger.warning("trackers that are not installed are ignored: %s", ", ".join(sorted(absent)))
    return accelerator


def prepare(config: TrainConfig, out: Path, accelerator: Accelerator) -> Run:
    """Sets a run up to its first step, or to the newest checkpoint in its directory.

    Raises:
        ValueError: for an invalid configuration, data set, initial model or run directory, and a run that cannot be
            resumed; the directory is unchanged then.
    """
    config.check()
    check_run_dir(out, config)
    data = open_data(config.data, "train", config.model.output_size)
    components = initial_components(config)
    digests = digest_inputs(config, data, accelerator)
    context = StageContext(
        config=config, out=out, accelerator=accelerator, data=data, components=components, digests=digests.images
    )
    torch.manual_seed(config.seed)  # for the weights that a stage adds
    stage = STAGES[config.stage.name](context)
    facts = run_facts(stage, digests, accelerator.num_processes)
    steps = total_steps(config, len(stage.samples), accelerator.num_processes)
    checkpoint = resumable_checkpoint(out, facts, steps)
    context.fill_caches()
    if accelerator.is_main_process:
        claim_run_dir(out, config)  # not earlier: a run that cannot start leaves no directory
    accelerator.wait_for_everyone()
    parameters = {name: p for name, p in stage.objective.named_parameters() if p.requires_grad}
    model, optimizer = accelerator.prepare(stage.objective.train(), make_optimizer(parameters, config.optim))
    run = Run(
        config=config,
        out=out,
        accelerator=accelerator,
        stage=stage,
        model=model,
        optimizer=optimizer,
        parameters=parameters,
        average=moving_average(parameters, config.ema_decay),
        facts=facts,
        total_steps=steps,
    )
    if checkpoint is not None:
        restore(run, checkpoint)
    accelerator.init_trackers("cfld", init_kwargs={"tensorboard": {"purge_step": run.step + 1}})
    return run


def check_run_dir(out: Path, config: TrainConfig) -> None:
    """Checks that `out` is new or empty, or contains a run with this configuration.

    Raises:
        ValueError: naming the fields that differ and the remedy.
    """
    file = out / "config.json"
    if file.is_file():
        if differing := differences(io.load(TrainConfig, file), config):
            raise ValueError(
                f"{out} contains a run with another configuration ({', '.join(differing)}); choose another --out, or "
                "repeat its configuration"
            )
    elif (out / "model").exists() or (out / "checkpoints").exists():
        raise ValueError(f"{out} contains a model but no config.json, so it is not a run; choose another --out")


def differences(saved: TrainConfig, current: TrainConfig) -> list[str]:
    """`field: saved -> current` for each field that makes it another run."""
    old, new = _flat(io.to_dict(saved)), _flat(io.to_dict(current))
    return [
        f"{name}: {old.get(name)} -> {new.get(name)}"
        for name in {**old, **new}
        if old.get(name) != new.get(name) and name not in MAY_DIFFER
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def initial_components(config: TrainConfig) -> build.Components:
    """Loads each component from `init_from` where that folder has it; the others are random. On the CPU, in float32.

    Raises:
        ValueError: when the folder has none of them, or one whose dimensions are not the configuration's.
    """
    model, folder = config.model, Path(config.init_from) if config.init_from is not None else None
    if folder is not None and not any((folder / part).is_dir() for part in ("conditioner", "unet", "vae")):
        raise ValueError(f"{folder}: no initial model; expected conditioner/, unet/ or vae/ in it")

    def part(kind: type[Any], name: str, make: Callable[[], Any], expected: Mapping[str, Any]) -> Any:
        if folder is not None and (folder / name).is_dir():
            loaded = load_scheduler(folder) if kind is DDPMScheduler else load_component(kind, folder, name)
            _check_dimensions(f"{folder}/{name}", loaded.config, expected)
            return loaded
        torch.manual_seed(config.seed)
        return make()

    components = build.Components(
        part(
            build.CONDITIONERS[model.conditioner_class],
            "conditioner",
            lambda: build.build_conditioner(model.conditioner, model.conditioner_class),
            asdict(model.conditioner),
        ),
        part(UNet2DConditionModel, "unet", lambda: build.build_unet(model.unet), build.unet_arguments(model.unet)),
        part(AutoencoderKL, "vae", lambda: build.build_vae(model.vae), _vae_dimensions(model)),
        part(DDPMScheduler, "scheduler", lambda: build.build_scheduler(model.scheduler), asdict(model.scheduler)),
    )
    hybrid_granularity_attention.install(components.unet)
    return components


def _vae_dimensions(model: ModelConfig) -> dict[str, Any]:
    """The fields that must agree. The scaling factor is the saved VAE's own, and images may have any size."""
    shared = ("latent_channels", "block_out_channels", "layers_per_block")
    return {name: getattr(model.vae, name) for name in shared} | {"norm_num_groups": model.vae.norm_groups}


def _check_dimensions(where: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raises ValueError naming all fields in which a saved component differs from the run's configuration."""
    differing = [
        f"{name} {_plain(found.get(name))} instead of {_plain(value)}"
        for name, value in expected.items()
        if _plain(found.get(name)) != _plain(value)
    ]
    if differing:
        raise ValueError(f"{where} does not fit the configuration: {', '.join(differing)}; change config.model")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def claim_run_dir(out: Path, config: TrainConfig) -> None:
    """Writes `config.json`."""
    out.mkdir(parents=True, exist_ok=True)
    io.save(config, out / "config.json")


def moving_average(parameters: dict[str, nn.Parameter], decay: float | None) -> Any:
    """diffusers' `EMAModel`; None without a decay. Step n = 1, 2, ... uses min(decay, (1 + n) / (10 + n))."""
    return None if decay is None else EMAModel(parameters.values(), decay=decay, update_after_step=-1)


def total_steps(config: TrainConfig, samples: int, processes: int) -> int:
    """Optimiser steps of the whole run; an epoch has as many as its samples fill, at least one."""
    if config.max_steps is not None:
        return config.max_steps
    return round(config.epochs * max(1, samples // (config.batch_size * config.accumulation * processes)))


@torch.no_grad()
def restore(run: Run, checkpoint: Checkpoint) -> None:
    """Sets the run to the state of a checkpoint."""
    run.step = checkpoint.step
    for name, parameter in run.parameters.items():
        parameter.copy_(checkpoint.weights[name])
    run.optimizer.load_state_dict(dict(checkpoint.optimizer))
    if run.average is not None:
        run.average.optimization_step = checkpoint.step
        for name, average in run.averaged_weights().items():
            average.copy_(checkpoint.average[name])
    if run.accelerator.scaler is not None:
        run.accelerator.scaler.load_state_dict(dict(checkpoint.scaler))
    if run.accelerator.is_main_process:
        logger.info("resuming from step %d", checkpoint.step)
