"""A reproduced table: figures beside the paper's, and whether the rows come in the paper's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from cfld.metrics.protocols import METRICS


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """
    Attributes:
        columns: what the row changes, as the paper's table says it.
        figures: ours, by the names of `METRICS`.
        paper: the paper's, by the same names.
    """

    name: str
    columns: Mapping[str, str]
    figures: Mapping[str, float]
    paper: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Order:
    """How far rows come in the paper's order by one figure.

    Attributes:
        here, paper: the rows' names, best first.
        agreeing, pairs: of all pairs of rows, how many stand in the same order.
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
        settings: what decides the figures: scale, steps, seed, protocol, n.
    """

    title: str
    settings: Mapping[str, Any]
    rows: tuple[ResultRow, ...]

    @property
    def orders(self) -> tuple[Order, ...]:
        """One a figure that both tables have."""
        shared = [name for name in METRICS if all(name in row.figures and name in row.paper for row in self.rows)]
        return tuple(compare_order(name, self.rows) for name in shared)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "orders": [asdict(order) for order in self.orders]}

    def to_markdown(self) -> str:
        """Title, settings, table, orders."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return "\n".join([f"**{self.title}** ({settings})", "", *self._table(), "", *map(_told, self.orders)])

    def _table(self) -> list[str]:
        ours = [name for name in METRICS if any(name in row.figures for row in self.rows)]
        papers = [name for name in METRICS if any(name in row.paper for row in self.rows)]
        head = ["", *self.rows[0].columns, *map(_label, ours), *(f"paper: {_label(name)}" for name in papers)]
        lines = [
            [row.name, *row.columns.values(), *_cells(row.figures, ours), *_cells(row.paper, papers)]
            for row in self.rows
        ]
        return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]


def compare_order(metric: str, rows: Sequence[ResultRow]) -> Order:
    """A tie here counts as disagreement."""
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


def _told(order: Order) -> str:
    return (
        f"By {METRICS[order.metric].label[:-2]}, best first: here {', '.join(order.here)}; "
        f"paper {', '.join(order.paper)}; {order.agreeing} of {order.pairs} pairs of rows in the paper's order.  "
    )


def _label(name: str) -> str:
    return METRICS[name].label


def _cells(figures: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{figures[name]:.{METRICS[name].digits}f}" if name in figures else "-" for name in names]
