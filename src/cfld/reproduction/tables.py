"""Reproduces tables 3 and 5: trains each row with the same budget, seed and data, generates, and scores together.

Everything is kept in one folder. After an interruption, the same call continues; finished steps are not repeated.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cfld.ablations.conditioners import FrozenCLIPConditioner, load_clip
from cfld.config.io import to_dict
from cfld.config.schema import SamplingConfig, TrainConfig
from cfld.convert import save_model
from cfld.data.registry import detect_dataset, open_dataset
from cfld.digests import UNRECORDED, Record, file_digest, json_digest
from cfld.evaluation.evaluate import Folder, Settings, evaluate_images
from cfld.files import save_json, whole_folder, write_text
from cfld.inference.generation import generate
from cfld.inference.jobs import dataset_jobs
from cfld.mannequin.dataset import write_mannequin
from cfld.pipeline import BUNDLED, CFLDPipeline
from cfld.reproduction.results import ResultRow, Results
from cfld.reproduction.rows import TABLE_3, TABLE_5, PaperRow
from cfld.reproduction.scales import Scale
from cfld.training.loop import train
from cfld.training.setup import initial_components

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    Attributes:
        data: data set folder, for a scale without a mannequin test set.
        init_from: model folder to start from, for a scale that trains no base UNet.
        clip: folder or hub id of a pretrained CLIP image encoder for B2.
        max_steps: steps of each training, instead of the preset's.
        weights: folder of the weight files of the metrics' networks.
    """

    data: Path | None = None
    init_from: str | None = None
    clip: str | None = None
    max_steps: int | None = None
    weights: Path | None = None


def reproduce_table3(scale: Scale, out: Path, options: Options = Options()) -> Results:
    """Trains and scores the six rows of table 3.

    Raises:
        ValueError: for a missing option, or a folder with other settings.
        InterruptedError: if a training was stopped before its end.
    """
    experiment = Experiment(scale, out, options)
    models = {name: experiment.row(name) for name in TABLE_3}
    folders = {name: experiment.generate(model, name, scale.sampling) for name, model in models.items()}
    return experiment.results("Table 3, ablations", "table3", TABLE_3, folders)


def reproduce_table5(scale: Scale, out: Path, options: Options = Options()) -> Results:
    """Scores the model of table 3's row "Ours" at five guidance settings; errors as `reproduce_table3`."""
    experiment = Experiment(scale, out, options)
    model = experiment.row("Ours")
    folders = {
        name: experiment.generate(model, f"guidance {name}", setting.apply(scale.sampling))
        for name, setting in TABLE_5.items()
    }
    return experiment.results("Table 5, guidance", "table5", TABLE_5, folders)


@dataclass(frozen=True)
class Experiment:
    """One scale in one folder, shared by the rows of both tables."""

    scale: Scale
    out: Path
    options: Options

    def row(self, name: str) -> Path:
        """Returns the model of a row of table 3, trained if necessary."""
        config = TABLE_3[name].apply(self.ours)
        return self._train(self._with_clip(config) if name == "B2" else config, name)

    @cached_property
    def ours(self) -> TrainConfig:
        """Training of the method's row, after that of the base UNet if the scale has one."""
        start = self.options.init_from
        if self.scale.base is not None:
            vae = None if self.scale.vae is None else self._parts(BUNDLED / self.scale.vae, ["vae"], "start")
            base = self._train(replace(self.scale.base(), init_from=vae), "base")
            start = self._parts(base, ["unet", "vae", "scheduler"], "start-rows")
        config = self.scale.ours()
        data = config.data if self.options.data is None else replace(config.data, root=self.options.data)
        return replace(config, data=data, init_from=start)

    @property
    def training_length(self) -> str:
        """Of each row, in words."""
        steps = self.options.max_steps or self.ours.max_steps
        return f"{self.ours.epochs:g} epochs" if steps is None else f"{steps} steps"

    @cached_property
    def test_data(self) -> Path:
        """Folder of the test pairs, written if the scale has a mannequin test set."""
        test_set = self.scale.test_set
        if test_set is None:
            if self.options.data is None:
                raise ValueError("this scale needs a data set; name its folder with --data")
            return self.options.data
        write_mannequin(self.out / "data", **vars(test_set), size=self.ours.model.output_size)
        return self.out / "data"

    def generate(self, model: Path, name: str, sampling: SamplingConfig) -> Path:
        """Generates the test pairs into a folder of their own, which is returned."""
        folder = self.out / "pictures" / name.replace(" ", "-").replace(",", "")
        jobs = dataset_jobs(open_dataset(detect_dataset(self.test_data), self.test_data, "test"))
        settings = {"model": str(model.relative_to(self.out)), "trained": self.training_length, **to_dict(sampling)}
        logger.info("generating %s", name)
        generate(CFLDPipeline.from_pretrained(model), jobs, sampling, folder, settings)
        return folder

    def results(self, title: str, name: str, table: Mapping[str, PaperRow], folders: Mapping[str, Path]) -> Results:
        """Scores the rows' folders and writes the table as `NAME.md` and `NAME.json`.

        Raises:
            ValueError: naming the images that cannot be read.
        """
        evaluation = evaluate_images(
            self.test_data,
            [Folder(name=row, path=path) for row, path in folders.items()],
            Settings(
                cache=self.out / "statistics", weights=self.options.weights, ground_truth=False, identity="colours"
            ),
            self.out / "work",
        )
        for note in evaluation.notes:
            logger.warning(note)
        if evaluation.problems:
            raise ValueError("; ".join(evaluation.problems))
        settings = {
            "trained": self.training_length,
            "sampling steps": self.scale.sampling.steps,
            "seed": self.ours.seed,
            "protocol": evaluation.protocol,
            "n": len(evaluation.rows[0].pairs),
        }
        rows = tuple(
            ResultRow(
                name=row.name,
                columns=table[row.name].columns,
                figures={**row.figures, "n": len(row.pairs)},
                paper=table[row.name].paper,
            )
            for row in evaluation.rows
        )
        results = Results(title=title, settings=settings, rows=rows)
        write_text(self.out / f"{name}.md", results.to_markdown() + "\n")
        save_json(results.to_json(), self.out / f"{name}.json")
        return results

    def _train(self, config: TrainConfig, name: str) -> Path:
        folder = self.out / "runs" / name
        config = config.with_stage(latents=self.out / "latents")
        config = replace(config, max_steps=self.options.max_steps or config.max_steps)
        logger.info("training %s", name)
        run = train(config, folder)
        if run.step < run.total_steps:
            raise InterruptedError(
                f"{name} stopped at step {run.step} of {run.total_steps}; run the same command again to continue"
            )
        return folder / "model"

    def _parts(self, model: Path, names: Sequence[str], to: str) -> str:
        """A folder with nothing but these components of a model, so that no other one is taken from it."""

        def copy(folder: Path) -> None:
            for name in names:
                shutil.copytree(model / name, folder / name)

        return self._initial_weights(to, {name: file_digest(model / name) for name in names}, copy)

    def _initial_weights(self, name: str, origin: Mapping[str, str], write: Callable[[Path], object]) -> str:
        """A folder of initial weights, written again when what it is made from has changed."""
        folder, record = self.out / name, Record(self.out)
        if problem := record.problem(folder, origin):
            with whole_folder(folder, replace=problem != UNRECORDED) as temporary:
                write(temporary)
            record.add(folder, origin)
        return str(folder)

    def _with_clip(self, config: TrainConfig) -> TrainConfig:
        """B2 with the pretrained encoder of `Options.clip`, or a random one that is trained."""
        config = replace(config, model=replace(config.model, conditioner_class=self.scale.clip))
        clip = self.options.clip
        if clip is None:
            if self.scale.clip == FrozenCLIPConditioner.__name__:
                raise ValueError("B2 needs a pretrained CLIP encoder at this scale; name one with --clip")
            return config
        origin = {name: _folder_digest(value) for name, value in (("start", config.init_from), ("clip", clip))}

        def write(folder: Path) -> None:
            parts = initial_components(config)
            load_clip(parts.conditioner, clip)
            save_model(parts, folder, config.model.output_size)

        return replace(config, init_from=self._initial_weights("start-B2", origin, write))


def _folder_digest(name: str | None) -> str:
    """The digest of a folder; of the name itself for anything else, such as a hub id."""
    return file_digest(Path(name)) if name is not None and Path(name).is_dir() else json_digest(name)
