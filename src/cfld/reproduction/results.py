"""A reproduced table: figures beside the paper's, and whether they rank the rows as in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Protocol

from cfld.metrics.registry import METRICS


class Report(Protocol):
    """What a reproduction returns."""

    def to_json(self) -> dict[str, Any]: ...

    def to_markdown(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """
    Attributes:
        columns: what the row varies, as in the paper's table.
        figures: ours, by name of the metric.
        paper: the paper's, by name of the metric.
    """

    name: str
    columns: Mapping[str, str]
    figures: Mapping[str, float]
    paper: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Order:
    """Agreement of the rows' ranking with the paper's by one metric.

    Attributes:
        here, paper: names of the rows, best first.
        agreeing: number of pairs of rows that both rank the same way.
        pairs: number of all pairs of rows.
    """

    metric: str
    here: tuple[str, ...]
    paper: tuple[str, ...]
    agreeing: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Results:
    """
    Attributes:
        title: of the table.
        settings: what determines the figures: scale, steps, seed, protocol, n.
    """

    title: str
    settings: Mapping[str, Any]
    rows: tuple[ResultRow, ...]

    @property
    def orders(self) -> tuple[Order, ...]:
        """One for each metric that both tables contain."""
        shared = [name for name in METRICS if all(name in row.figures and name in row.paper for row in self.rows)]
        return tuple(compare_order(name, self.rows) for name in shared)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "orders": [asdict(order) for order in self.orders]}

    def to_markdown(self) -> str:
        """Returns title, settings, table and rankings."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return "\n".join([f"**{self.title}** ({settings})", "", *self._table(), "", *map(_sentence, self.orders)])

    def _table(self) -> list[str]:
        ours = {name: metric for name, metric in METRICS.items() if any(name in row.figures for row in self.rows)}
        paper = {name: metric for name, metric in METRICS.items() if any(name in row.paper for row in self.rows)}
        head = ["", *self.rows[0].columns, *(metric.label for metric in ours.values())]
        head += [f"paper: {metric.label}" for metric in paper.values()]
        lines = [
            [row.name, *row.columns.values()]
            + [metric.format(row.figures.get(name)) for name, metric in ours.items()]
            + [metric.format(row.paper.get(name)) for name, metric in paper.items()]
            for row in self.rows
        ]
        return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]


def compare_order(metric: str, rows: Sequence[ResultRow]) -> Order:
    """Compares the rankings by one metric; a tie in ours counts as disagreement."""
    sign = 1 if METRICS[metric].higher_is_better else -1
    here = {row.name: sign * row.figures[metric] for row in rows}
    paper = {row.name: sign * row.paper[metric] for row in rows}
    pairs = list(combinations(here, 2))
    return Order(
        metric=metric,
        here=tuple(sorted(here, key=lambda name: -here[name])),
        paper=tuple(sorted(paper, key=lambda name: -paper[name])),
        agreeing=sum((here[a] - here[b]) * (paper[a] - paper[b]) > 0 for a, b in pairs),
        pairs=len(pairs),
    )


def _sentence(order: Order) -> str:
    return (
        f"By {METRICS[order.metric].title}, best first: here {', '.join(order.here)}; paper {', '.join(order.paper)}; "
        f"{order.agreeing} of {order.pairs} pairs of rows in the paper's order.  "
    )
