"""Whether a run can be resumed: its checkpoint is whole, and was made from what the run is made from now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from cfld.config.schema import TrainConfig
from cfld.data.base import PoseDataset, image_digests
from cfld.digests import file_digest, json_digest, tensor_digest
from cfld.training.batches import paired_names
from cfld.training.checkpoint import Checkpoint, load_checkpoint, newest_checkpoint, steps_done
from cfld.training.stages import Stage

FACTS: Final = {
    "processes": "another number of processes",
    "frozen_weights": "other frozen weights",
    "initial_weights": "other initial weights",
    "samples": "other training samples",
    "images": "other content of the training images or poses",
}
"""What must be the same when a run is resumed, and what it means that it is not."""
COMPONENTS: Final = ("conditioner", "unet", "vae", "scheduler", "attribute_encoder")


@dataclass(frozen=True)
class InputDigests:
    """Digests of what a run is made from.

    Attributes:
        images: of the data set, by name.
        weights: of the components in `init_from`; empty without it.
    """

    images: Mapping[str, str]
    weights: str


def digest_inputs(config: TrainConfig, data: PoseDataset, accelerator: Accelerator) -> InputDigests:
    """Reads every image and all initial weights once, in the main process."""
    digests = None
    if accelerator.is_main_process:
        parts = [] if config.init_from is None else [Path(config.init_from) / name for name in COMPONENTS]
        weights = json_digest([[part.name, file_digest(part)] for part in parts if part.is_dir()])
        digests = InputDigests(image_digests(data, [*data.names, *paired_names(data)]), weights)
    (digests,) = broadcast_object_list([digests])
    return digests


def run_facts(stage: Stage, digests: InputDigests, processes: int) -> dict[str, str | int]:
    """What `FACTS` lists of a run."""
    names = stage.samples.names
    return {
        "processes": processes,
        "frozen_weights": tensor_digest(stage.frozen),
        "initial_weights": digests.weights,
        "samples": json_digest(list(names)),
        "images": json_digest([digests.images[name] for name in sorted(set(names))]),
    }


def resumable_checkpoint(out: Path, facts: Mapping[str, str | int], steps: int) -> Checkpoint | None:
    """Reads the newest checkpoint in a run directory; None if there is none.

    Args:
        facts: of the run that is to be resumed.
        steps: its total number.

    Raises:
        ValueError: when it is damaged, was saved with other facts or not with all of them, or is beyond the last step.
    """
    path = newest_checkpoint(out / "checkpoints")
    if path is None:
        return None
    if (done := steps_done(path)) > steps:
        raise ValueError(
            f"{out}: {done} steps are done, more than the {steps} asked for; nothing was changed; ask for {done} or "
            "more with --config.max-steps, or choose another --out"
        )
    checkpoint = load_checkpoint(path)
    if changed := [FACTS[name] for name, fact in facts.items() if checkpoint.facts.get(name, fact) != fact]:
        raise ValueError(
            f"{path} was saved with {' and '.join(changed)}; restore what has changed, or choose another --out to "
            "start again"
        )
    if unknown := [name for name in facts if name not in checkpoint.facts]:
        listed = ", ".join(FACTS[name] for name in unknown)
        raise ValueError(
            f"{path} was saved by an earlier version and cannot be checked for {listed}; choose another --out to start "
            "again"
        )
    return checkpoint
