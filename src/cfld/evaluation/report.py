"""An evaluation as a table, as JSON, and as a page with the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from cfld import __version__
from cfld.contact_sheet import draw_pose
from cfld.data.folder import FolderDataset
from cfld.data.transforms import read_image
from cfld.evaluation.image_loading import read_batches
from cfld.evaluation.images import Evaluation
from cfld.evaluation.score import Pair, PairScore, Row
from cfld.files import save_json, write_text
from cfld.metrics.protocols import METRICS, PROTOCOLS, lpips_name

TALLEST: Final = 256
JPEG_QUALITY: Final = 80
IMAGES: Final = "pictures"
RECONSTRUCTED: Final = "vae_reconstructed"
OURS: Final = {"report.json", "report.md", "report.html", IMAGES, RECONSTRUCTED}


@dataclass(frozen=True, kw_only=True)
class Order:
    """How the page's images are ordered at first.

    Attributes:
        metric: by the first row's figure of this name; None = as in the data set.
        worst_first: else best first.
    """

    metric: str | None = None
    worst_first: bool = False


def columns(evaluation: Evaluation) -> list[str]:
    """The figures of the protocol, there or not, and what else was asked for, in the order of `METRICS`."""
    protocol = PROTOCOLS[evaluation.protocol]
    wanted = {"fid", "ssim", "psnr", *map(lpips_name, protocol.lpips)} | ({"ssim_256"} if protocol.ssim_256 else set())
    return [name for name in METRICS if name in wanted.union(*(row.figures for row in evaluation.rows))]


def to_markdown(evaluation: Evaluation) -> str:
    """Protocol and n, the table, notes and problems."""
    header, *rows = _table(evaluation)
    rule = ["---", *(["---:"] * (len(header) - 1))]
    lines = [_title(evaluation), "", *(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))]
    lines += ["", *(f"- {note}" for note in evaluation.notes)] if evaluation.notes else []
    lines += ["", "INCOMPLETE:", *(f"- {problem}" for problem in evaluation.problems)] if evaluation.problems else []
    return "\n".join(lines) + "\n"


def to_json(evaluation: Evaluation, pairs: bool = False) -> dict[str, Any]:
    """Plain values; an infinite PSNR is the string "Infinity", which Python's float and JavaScript's Number read.

    Args:
        pairs: every image's figures too.
    """
    return {
        "protocol": evaluation.protocol,
        "data": str(evaluation.data.root),
        "split": evaluation.data.split,
        "size": list(evaluation.size),
        "complete": not evaluation.problems,
        "rows": [_row_json(row, pairs) for row in evaluation.rows],
        "notes": list(evaluation.notes),
        "problems": list(evaluation.problems),
        "networks": evaluation.networks,
        "version": __version__,
    }


def check_out(out: Path) -> None:
    """Raises ValueError for a folder that is there and holds anything but a report, finished or not."""
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - OURS):
        raise ValueError(f"{out} is there and holds other things than a report; name another folder")


def write_report(evaluation: Evaluation, out: Path, order: Order) -> list[str]:
    """Writes `report.json`, `report.md`, and `report.html` with its images in a folder beside it.

    Returns:
        a line for every image that the page lacks because it cannot be read.
    """
    check_out(out)
    out.mkdir(parents=True, exist_ok=True)
    save_json(to_json(evaluation, pairs=True), out / "report.json")
    write_text(out / "report.md", to_markdown(evaluation))
    images = _Thumbnails(out, _thumbnail_size(evaluation.size))
    write_text(out / "report.html", _page(evaluation, images, order))
    return images.write()


def figure(name: str, value: float | None) -> str:
    """With as many digits as papers give."""
    if value is None or math.isnan(value):
        return "-"
    return "+∞" if math.isinf(value) else f"{value:.{METRICS[name].digits}f}"


def ordered(evaluation: Evaluation, order: Order) -> list[Pair]:
    """The pairs that any row has a figure for, in the order asked for; what has none of that name comes last."""
    scored = {(score.source, score.target) for score in _all(evaluation.rows)}
    pairs = [pair for pair in dict.fromkeys(evaluation.data.pairs) if pair in scored]
    if order.metric is None:
        return pairs
    first = {(score.source, score.target): score.figures for score in evaluation.rows[0].pairs}
    last = math.inf if METRICS[order.metric].higher_is_better == order.worst_first else -math.inf
    values = {pair: first.get(pair, {}).get(order.metric, math.nan) for pair in pairs}
    known = {pair: last if math.isnan(value) else value for pair, value in values.items()}
    return sorted(pairs, key=known.__getitem__, reverse=last < 0)


def _page(evaluation: Evaluation, images: _Thumbnails, order: Order) -> str:
    data = evaluation.data
    shown = [row for row in evaluation.rows if any(score.file != data.path(score.target) for score in row.pairs)]
    by_pair = [{(score.source, score.target): score for score in row.pairs} for row in shown]
    place = {pair: i for i, pair in enumerate(dict.fromkeys(data.pairs))}
    cards = [
        _card(data, images, pair, place[pair], [scores.get(pair) for scores in by_pair])
        for pair in ordered(evaluation, order)
    ]
    environment = Environment(
        loader=PackageLoader("cfld", "evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.jinja").render(
        title=_title(evaluation),
        table=_table(evaluation),
        evaluation=evaluation,
        metrics={name: METRICS[name] for name in METRICS if any(name in score.figures for score in _all(shown))},
        methods=[row.name for row in shown],
        cards=cards,
        size=images.size,
        order=order,
    )


def _card(
    data: FolderDataset, images: _Thumbnails, pair: Pair, place: int, scores: list[PairScore | None]
) -> dict[str, Any]:
    """What the page shows of a pair; a score of None is an image that could not be read."""
    source, target = pair
    return {
        "source": source,
        "target": target,
        "place": place,
        "figures": [score and _finite(score.figures) for score in scores],
        "true": [
            (images.of(data.path(source)), "source"),
            (images.pose(data, target), "pose"),
            (images.of(data.path(target)), "truth"),
        ],
        "results": [score and {"image": images.of(score.file), "texts": _texts(score.figures)} for score in scores],
    }


def _texts(figures: Mapping[str, float]) -> dict[str, str]:
    """Label -> figure."""
    return {METRICS[name].label: figure(name, figures[name]) for name in METRICS if name in figures}


class _Thumbnails:
    """Small copies of images, each file once, written together."""

    def __init__(self, out: Path, size: tuple[int, int]) -> None:
        self._out, self.size = out, size
        self._made: dict[str, Callable[[], Image.Image]] = {}
        self._names: dict[object, str] = {}

    def of(self, path: Path) -> str:
        """Relative to the page."""
        return self._add(path, partial(read_image, path))

    def pose(self, data: FolderDataset, name: str) -> str:
        return self._add(("pose", name), lambda: draw_pose(data.keypoints(name), self.size))

    def write(self) -> list[str]:
        """Returns a line for every image that cannot be read."""
        (self._out / IMAGES).mkdir(exist_ok=True)
        batches = read_batches(list(self._made), self._save, "images of the page")
        return [damaged.reason for batch in batches for damaged in batch.damaged]

    def _add(self, key: object, make: Callable[[], Image.Image]) -> str:
        if key not in self._names:
            self._names[key] = f"{IMAGES}/{len(self._names):06d}.jpg"
            self._made[self._names[key]] = make
        return self._names[key]

    def _save(self, name: str) -> None:
        height, width = self.size
        image = self._made[name]().resize((width, height), Image.Resampling.LANCZOS)
        image.save(self._out / name, quality=JPEG_QUALITY)


def _title(evaluation: Evaluation) -> str:
    height, width = evaluation.size
    return f"Protocol {evaluation.protocol} at {height} x {width}, test pairs of {evaluation.data.root}"


def _table(evaluation: Evaluation) -> list[list[str]]:
    """The header and a line a row."""
    names = columns(evaluation)
    header = ["", "n", *(METRICS[name].label for name in names)]
    return [
        header,
        *([row.name, _count(row), *(figure(n, row.figures.get(n)) for n in names)] for row in evaluation.rows),
    ]


def _count(row: Row) -> str:
    whole = len(row.pairs) + len(row.damaged)
    return f"{len(row.pairs)} of {whole}" if row.damaged else str(whole)


def _row_json(row: Row, pairs: bool) -> dict[str, Any]:
    values = {
        "name": row.name,
        "n": len(row.pairs),
        "complete": not (row.damaged or row.problem),
        "figures": _finite(row.figures),
        "damaged": list(row.damaged),
    }
    return values | ({"pairs": [_pair_json(score) for score in row.pairs]} if pairs else {})


def _pair_json(score: PairScore) -> dict[str, Any]:
    names = {"source": score.source, "target": score.target, "file": str(score.file)}
    return {**names, "figures": _finite(score.figures)}


def _finite(figures: Mapping[str, float]) -> dict[str, float | str | None]:
    """JSON has no infinity and no NaN."""
    return {
        name: "Infinity" if math.isinf(value) else None if math.isnan(value) else value
        for name, value in figures.items()
    }


def _all(rows: Iterable[Row]) -> Iterator[PairScore]:
    return (score for row in rows for score in row.pairs)


def _thumbnail_size(size: tuple[int, int]) -> tuple[int, int]:
    """As large as the images were compared at, but no taller than need be."""
    height = min(size[0], TALLEST)
    return height, max(1, round(height * size[1] / size[0]))
