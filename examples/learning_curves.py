"""Plots the learning curves of one or more training runs from their logs.

python examples/learning_curves.py runs/mannequin-vae runs/mannequin --out docs/figures/learning-curves.png
python examples/learning_curves.py runs/tables/runs/B? runs/tables/runs/Ours --together --out table3-losses.png
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tyro.conf import Positional

WINDOW = 15
"""Logged values per point of the moving average."""

QUARTERS = 4

COLUMNS = 4
"""Runs per row of plots."""


def main(
    runs: Annotated[tuple[Path, ...], Positional],
    out: Path = Path("outputs/learning-curves.png"),
    together: bool = False,
) -> None:
    """Plot the loss of each run over its steps, and its learning rate below.

    Args:
        runs: folders of `cfld train`.
        out: image file to write; its extension sets the format.
        together: plot the losses of all runs in one diagram and print their means over each quarter; for runs with the
            same data and random seed, whose noise is the same at each step.
    """
    if not runs:
        raise SystemExit("name at least one folder of cfld train")
    figure = plot_together(runs) if together else plot_side_by_side(runs)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    print(out)


def plot_together(runs: Sequence[Path]) -> Figure:
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for run in runs:
        steps, values = scalars(run, "loss")
        axis.plot(steps, moving_mean(values), label=run.name)
        means = [part.mean() for part in np.array_split(values, QUARTERS)]
        print(f"{run.name:<8}", *(f"{mean:.4f}" for mean in means))
    axis.set(xlabel="step", ylabel="loss", yscale="log")
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    return figure


def plot_side_by_side(runs: Sequence[Path]) -> Figure:
    columns = min(len(runs), COLUMNS)
    rows = math.ceil(len(runs) / columns)
    figure = plt.figure(figsize=(4.2 * columns, 4.2 * rows), layout="constrained")
    for run, place in zip(runs, figure.subfigures(rows, columns, squeeze=False).flat, strict=False):
        plot(run, *place.subplots(2, 1, sharex=True, height_ratios=(3, 1)))
    return figure


def plot(run: Path, loss: Axes, rate: Axes) -> None:
    """One run: its loss above, its learning rate below."""
    steps, values = scalars(run, "loss")
    loss.plot(steps, values, color="0.8", linewidth=0.6)
    loss.plot(steps, moving_mean(values), color="tab:blue")
    loss.set(title="/".join(run.parts[-2:]), yscale="log", ylabel="loss")
    rate.plot(*scalars(run, "learning_rate"), color="tab:orange")
    rate.set(xlabel="step", ylabel="learning rate")
    for axis in (loss, rate):
        axis.grid(alpha=0.3, which="both")


def scalars(run: Path, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and values of a logged quantity; where a run was stopped and resumed, later values replace earlier ones.

    Raises:
        ValueError: when the run did not log it.
    """
    found: dict[int, float] = {}
    for file in sorted(run.glob("logs/*/events.*"), key=lambda file: file.stat().st_mtime):
        log = EventAccumulator(str(file), size_guidance={"scalars": 0}).Reload()
        if name in log.Tags()["scalars"]:
            events = log.Scalars(name)
            found = {step: value for step, value in found.items() if not events or step < events[0].step}
            found |= {event.step: event.value for event in events}
    if not found:
        raise ValueError(f"{run}: no log of {name}; expected a run directory with tensorboard logs")
    steps = sorted(found)
    return np.array(steps), np.array([found[step] for step in steps])


def moving_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each value and up to `WINDOW` - 1 values before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - WINDOW)
    return (sums[ends] - sums[starts]) / (ends - starts)


if __name__ == "__main__":
    tyro.cli(main)
