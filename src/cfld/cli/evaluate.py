"""`cfld evaluate`: figures for images, and for a model.

cfld evaluate images --data data/deepfashion --images outputs/test --out outputs/report --sort lpips --worst-first
cfld evaluate images --data data/deepfashion --images NTED --pattern {source}_2_{target}_vis.png --protocol pidm
cfld evaluate mannequin-quality --model mannequin --identities 100 --poses 8 --seed 1
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from tyro.conf import OmitArgPrefixes, UseAppendAction, subcommand

from cfld.cli.options import Device, Json, PipelineOptions, SkipMissing, find_device
from cfld.config.schema import SamplingConfig
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.registry import IDENTITY_FEATURES, IMAGE_METRICS

if TYPE_CHECKING:
    from cfld.evaluation.evaluate import Evaluation, Folder, Settings
    from cfld.evaluation.filename_patterns import NameMismatchError

    ProtocolName: TypeAlias = str
    ImageMetricName: TypeAlias = str
    IdentityFeaturesName: TypeAlias = str
else:
    ProtocolName = Literal[tuple(PROTOCOLS)]
    ImageMetricName = Literal[tuple(IMAGE_METRICS)]
    IdentityFeaturesName = Literal[tuple(IDENTITY_FEATURES)]

NAMES_IN_ONE_LINE: Final = 20


@dataclass(frozen=True, kw_only=True)
class Images:
    """Score folders of images, whoever made them, against the test pairs of a data set.

    Each folder is a row. So are the true images, and with --vae their reconstructions. What is given as NAME=VALUE
    belongs to the folder of that name, what is given without to all.
    """

    data: Path
    """A data set folder (see cfld data)."""
    images: UseAppendAction[tuple[str, ...]] = ()
    """A folder of images, or NAME=FOLDER; once for each."""
    pattern: UseAppendAction[tuple[str, ...]] = ()
    """What the files are called, or NAME=PATTERN; {source}_to_{target}.png by default. {source} and {target} stand for
    the names without their endings, {source_file} and {target_file} for those with, {index} for the pair's place."""
    protocol: ProtocolName = "cfld"
    """Whose numbers these are to be compared with."""
    size: tuple[int, int] | None = None
    """Height and width to compare at; by default those of the first image, or 256 176."""
    weights: Path | None = None
    """The folder with the weight files of Inception, AlexNet and VGG; by default torch's own, and downloaded there."""
    vae: str | None = None
    """A model whose VAE makes the row "VAE reconstructed": the bundled one by its name, or a model folder."""
    ground_truth: bool = True
    """The row "ground truth"."""
    keypoints: UseAppendAction[tuple[str, ...]] = ()
    """What a detector found in the images, or NAME=PATH: a folder with a JSON file for each, or an annotation CSV."""
    identity: IdentityFeaturesName | None = None
    """Look up whether the nearest true images show the same person, by these features."""
    skip_missing: SkipMissing = False
    cache: Path = Path("~/.cache/cfld")
    """Where the statistics of FID's real set are kept."""
    out: Path | None = None
    """A folder to write report.md, report.json and report.html to."""
    sort: ImageMetricName | None = None
    """Order the page's images by a figure of the first folder."""
    worst_first: bool = False
    """The worst first, else the best."""
    json: Json = False
    device: Device = None

    def run(self) -> None:
        try:
            from cfld.evaluation import report
            from cfld.evaluation.evaluate import evaluate_images
            from cfld.evaluation.filename_patterns import NameMismatchError
        except ModuleNotFoundError as error:
            raise ValueError(f"{error.name} is not installed; pip install 'cfld[metrics]'") from None

        if self.sort is not None and self.out is None:
            raise ValueError("--sort orders the images of a report; name its folder with --out")
        if self.out is not None:
            report.check_out(self.out)
        try:
            with tempfile.TemporaryDirectory() as temporary:
                work = Path(temporary) if self.out is None else self.out / report.RECONSTRUCTED
                evaluation = evaluate_images(self.data, self._folders(), self._settings(), work)
                unreadable = self._write(evaluation)
        except NameMismatchError as error:
            raise self._shortened(error) from None
        if problems := list(dict.fromkeys([*evaluation.problems, *unreadable])):
            more = len(problems) - NAMES_IN_ONE_LINE
            rest = f"; and {more} more, listed with the figures" if more > 0 else ""
            raise ValueError(
                f"incomplete, the figures are of the rest: {'; '.join(problems[:NAMES_IN_ONE_LINE])}{rest}"
            )

    def _folders(self) -> list[Folder]:
        from cfld.evaluation.evaluate import Folder
        from cfld.evaluation.filename_patterns import DEFAULT_PATTERN

        folders = _named_folders(self.images)
        patterns = _by_name("--pattern", self.pattern, folders)
        keypoints = _by_name("--keypoints", self.keypoints, folders)
        return [
            Folder(
                name=name,
                path=path,
                pattern=patterns.get(name, DEFAULT_PATTERN),
                keypoints=Path(keypoints[name]) if name in keypoints else None,
            )
            for name, path in folders.items()
        ]

    def _settings(self) -> Settings:
        from cfld.evaluation.evaluate import Settings

        return Settings(
            cache=self.cache.expanduser(),
            protocol=self.protocol,
            size=self.size,
            weights=self.weights,
            vae=self.vae,
            ground_truth=self.ground_truth,
            identity=self.identity,
            skip_missing=self.skip_missing,
            device=find_device(self.device),
        )

    def _write(self, evaluation: Evaluation) -> list[str]:
        """Prints the figures, and writes the report; returns a line for every image that the report lacks."""
        from cfld.evaluation import report

        print(json.dumps(report.to_json(evaluation), indent=2) if self.json else report.to_markdown(evaluation))
        if self.out is None:
            return []
        there = self.sort is not None and self.sort in evaluation.rows[0].figures
        if self.sort is not None and not there:
            print(f"cfld: not sorted by {self.sort}, which is not among the figures", file=sys.stderr)
        order = report.Order(metric=self.sort if there else None, worst_first=self.worst_first)
        return report.write_report(evaluation, self.out, order)

    def _shortened(self, error: NameMismatchError) -> ValueError:
        """With --out, a long list goes into a file beside it."""
        names = [*error.missing, *error.unmatched]
        if self.out is None or len(names) <= NAMES_IN_ONE_LINE:
            return error
        file = self.out.with_name(f"{self.out.name}-mismatched-names.txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [*(f"missing: {name}" for name in error.missing), *(f"unmatched: {name}" for name in error.unmatched)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ValueError(
            f"{error.folder}: {len(error.missing)} images of the pairs are not there, for example {names[0]}, and "
            f"{len(error.unmatched)} that are there belong to no pair; all are listed in {file}; does --pattern fit?"
        )


@dataclass(frozen=True, kw_only=True)
class MannequinQuality:
    """Score a model on mannequins that it never saw: is it the right person, in the right pose?"""

    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)
    identities: int = 100
    """How many people."""
    poses: int = 8
    """Images generated of each."""
    poses_compared: int = 20
    """Poses to tell apart."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How images are sampled."""
    json: Json = False

    def run(self) -> None:
        from cfld.mannequin.quality import mannequin_quality, table

        pipe = self.pipeline.open(self.sampling.scheduler)
        pipe.set_progress_bar_config(disable=True)
        quality = mannequin_quality(pipe, self.sampling, self.identities, self.poses, self.poses_compared)
        print(json.dumps(asdict(quality), indent=2) if self.json else table(quality))


Evaluate = Annotated[
    Annotated[Images, subcommand("images")] | Annotated[MannequinQuality, subcommand("mannequin-quality")],
    subcommand("evaluate", description="Score folders of images, or a model."),
]
"""What `cfld evaluate` takes; one member of the top level's union."""


def _named_folders(texts: Sequence[str]) -> dict[str, Path]:
    """NAME=FOLDER, or a folder, which is called by its own name."""
    folders: dict[str, Path] = {}
    for text in texts:
        name, separator, path = text.partition("=")
        if not separator or "/" in name or Path(text).exists():
            name, path = Path(text).resolve().name, text
        if name in folders:
            raise ValueError(f"two folders are called {name!r}; name them: --images NAME=FOLDER")
        folders[name] = Path(path)
    return folders


def _by_name(option: str, texts: Sequence[str], folders: Mapping[str, Path]) -> dict[str, str]:
    """What each folder gets: its own NAME=VALUE, else the value given without a name, else nothing."""
    named: dict[str, str] = {}
    common: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        given = {name: value} if name in folders else dict.fromkeys(folders, text)
        if given.keys() & (named if name in folders else common).keys():
            raise ValueError(f"{option} is given twice for one folder: {text}")
        (named if name in folders else common).update(given)
    return common | named
