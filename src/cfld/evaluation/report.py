"""An evaluation as a Markdown table, as JSON, and as an HTML page with the images."""

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
from cfld.claims import contents
from cfld.contact_sheet import draw_pose
from cfld.data.folder import FolderDataset
from cfld.data.transforms import read_image
from cfld.evaluation.evaluate import Evaluation
from cfld.evaluation.image_loading import read_batches
from cfld.evaluation.scorer import Pair, PairScore, Row
from cfld.files import save_json, write_text
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.registry import METRICS

TALLEST: Final = 256
JPEG_QUALITY: Final = 80
IMAGES: Final = "pictures"
RECONSTRUCTED: Final = "vae_reconstructed"
FILES: Final = {"report.json", "report.md", "report.html", IMAGES, RECONSTRUCTED}


@dataclass(frozen=True, kw_only=True)
class Order:
    """Initial order of the page's images.

    Attributes:
        metric: sort by this metric of the first row; None = order of the data set.
        worst_first: worst instead of best first.
    """

    metric: str | None = None
    worst_first: bool = False


def columns(evaluation: Evaluation) -> list[str]:
    """Returns the metrics of the protocol, computed or not, and further computed ones, in the order of `METRICS`."""
    protocol = PROTOCOLS[evaluation.protocol]
    computed = {name for row in evaluation.rows for name in row.figures}
    return [name for name, metric in METRICS.items() if name in computed or metric.in_protocol(protocol)]


def to_markdown(evaluation: Evaluation) -> str:
    """Returns protocol and size, the table with n, notes and problems."""
    header, *rows = _table(evaluation)
    rule = ["---", *(["---:"] * (len(header) - 1))]
    lines = [_title(evaluation), "", *(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))]
    lines += ["", *(f"- {note}" for note in evaluation.notes)] if evaluation.notes else []
    lines += ["", "INCOMPLETE:", *(f"- {problem}" for problem in evaluation.problems)] if evaluation.problems else []
    return "\n".join(lines) + "\n"


def to_json(evaluation: Evaluation, pairs: bool = False) -> dict[str, Any]:
    """Returns JSON values. An infinite PSNR is the string "Infinity", which `float` and JavaScript's `Number` parse.

    Args:
        pairs: include the figures of every image.
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
    """Raises ValueError if the folder exists and holds anything but a report, complete or not."""
    if out.exists() and (not out.is_dir() or {path.name for path in contents(out)} - FILES):
        raise ValueError(f"{out} exists and holds files that are not part of a report; name another folder")


def write_report(evaluation: Evaluation, out: Path, order: Order) -> list[str]:
    """Writes `report.json`, `report.md`, and `report.html` with a folder of images.

    Returns:
        a message for every image that cannot be read and is missing from the page.
    """
    check_out(out)
    out.mkdir(parents=True, exist_ok=True)
    save_json(to_json(evaluation, pairs=True), out / "report.json")
    write_text(out / "report.md", to_markdown(evaluation))
    images = _Thumbnails(out, _thumbnail_size(evaluation.size))
    write_text(out / "report.html", _page(evaluation, images, order))
    return images.write()


def ordered(evaluation: Evaluation, order: Order) -> list[Pair]:
    """Returns the pairs with an image in any row, in that order; those without the metric come last."""
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
    computed = {name for score in _all(shown) for name in score.figures}
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
        metrics={name: metric for name, metric in METRICS.items() if name in computed},
        methods=[row.name for row in shown],
        cards=cards,
        size=images.size,
        order=order,
    )


def _card(
    data: FolderDataset, images: _Thumbnails, pair: Pair, place: int, scores: list[PairScore | None]
) -> dict[str, Any]:
    """Returns the template's values for a pair; a score of None means an image that could not be read."""
    source, target = pair
    return {
        "source": source,
        "target": target,
        "place": place,
        "figures": [score and _finite(score.figures) for score in scores],
        "true": [
            (images.of(data.path(source)), "source"),
            (images.pose(data, target), "target pose"),
            (images.of(data.path(target)), "ground truth"),
        ],
        "results": [score and {"image": images.of(score.file), "texts": _texts(score.figures)} for score in scores],
    }


def _texts(figures: Mapping[str, float]) -> dict[str, str]:
    """Returns label -> formatted value."""
    return {metric.label: metric.format(figures[name]) for name, metric in METRICS.items() if name in figures}


class _Thumbnails:
    """Small copies of images, one per file, written together."""

    def __init__(self, out: Path, size: tuple[int, int]) -> None:
        self._out, self.size = out, size
        self._files: dict[object, tuple[str, Callable[[], Image.Image]]] = {}

    def of(self, path: Path) -> str:
        """Returns the thumbnail's path, relative to the page."""
        return self._add(path, partial(read_image, path))

    def pose(self, data: FolderDataset, name: str) -> str:
        return self._add(("pose", name), lambda: draw_pose(data.keypoints(name), self.size))

    def write(self) -> list[str]:
        """Returns a message for every image that cannot be read."""
        (self._out / IMAGES).mkdir(exist_ok=True)
        batches = read_batches(list(self._files.values()), self._save, "thumbnails")
        return [message for batch in batches for message in batch.damaged]

    def _add(self, key: object, read: Callable[[], Image.Image]) -> str:
        return self._files.setdefault(key, (f"{IMAGES}/{len(self._files):06d}.jpg", read))[0]

    def _save(self, file: tuple[str, Callable[[], Image.Image]]) -> None:
        name, read = file
        image = read().resize(self.size[::-1], Image.Resampling.LANCZOS)
        image.save(self._out / name, quality=JPEG_QUALITY)


def _title(evaluation: Evaluation) -> str:
    height, width = evaluation.size
    return f"Protocol {evaluation.protocol} at {height} x {width}, test pairs of {evaluation.data.root}"


def _table(evaluation: Evaluation) -> list[list[str]]:
    """Returns the header and one list of cells per row."""
    names = columns(evaluation)
    header = ["", "n", *(METRICS[name].label for name in names)]
    return [
        header,
        *([row.name, _count(row), *(METRICS[n].format(row.figures.get(n)) for n in names)] for row in evaluation.rows),
    ]


def _count(row: Row) -> str:
    total = len(row.pairs) + len(row.damaged)
    return f"{len(row.pairs)} of {total}" if row.damaged else str(total)


def _row_json(row: Row, pairs: bool) -> dict[str, Any]:
    return {
        "name": row.name,
        "n": len(row.pairs),
        "complete": not (row.damaged or row.problem),
        "figures": _finite(row.figures),
        "damaged": list(row.damaged),
        **({"pairs": [_pair_json(score) for score in row.pairs]} if pairs else {}),
    }


def _pair_json(score: PairScore) -> dict[str, Any]:
    return vars(score) | {"file": str(score.file), "figures": _finite(score.figures)}


def _finite(figures: Mapping[str, float]) -> dict[str, float | str | None]:
    """Replaces infinity and NaN, which JSON lacks."""
    return {
        name: "Infinity" if math.isinf(value) else None if math.isnan(value) else value
        for name, value in figures.items()
    }


def _all(rows: Iterable[Row]) -> Iterator[PairScore]:
    return (score for row in rows for score in row.pairs)


def _thumbnail_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size at which images were compared, at most `TALLEST` high."""
    height = min(size[0], TALLEST)
    return height, max(1, round(height * size[1] / size[0]))
