"""A reproduced table: its text, and the comparison of its ranking with the paper's."""

from __future__ import annotations

import json

import pytest

from cfld.reproduction.results import ResultRow, Results, compare_order


def row(name: str, ssim: float, paper: float) -> ResultRow:
    figures, printed = {"ssim": ssim, "psnr": 20.0, "n": 8}, {"ssim": paper, "lpips": 0.2}
    return ResultRow(name=name, columns={"prompt": "PRD"}, figures=figures, paper=printed)


ROWS = (row("a", 0.9, 0.1), row("b", 0.8, 0.3), row("c", 0.1, 0.2))


def test_order_counts_pairs_of_rows_that_agree() -> None:
    """Here a, b, c; in the paper b, c, a: only b before c agrees."""
    order = compare_order("ssim", ROWS)
    assert (order.here, order.paper) == (("a", "b", "c"), ("b", "c", "a"))
    assert (order.agreeing, order.pairs) == (1, 3)


def test_lower_is_better_where_it_is() -> None:
    rows = [
        ResultRow(name=name, columns={}, figures={"lpips": ours}, paper={"lpips": paper})
        for name, ours, paper in (("a", 0.1, 0.15), ("b", 0.3, 0.2))
    ]
    order = compare_order("lpips", rows)
    assert order.here == order.paper == ("a", "b")
    assert order.agreeing == 1


def test_a_tie_does_not_agree() -> None:
    assert compare_order("ssim", [row("a", 0.5, 0.1), row("b", 0.5, 0.2)]).agreeing == 0


def test_only_figures_that_both_tables_have_are_compared() -> None:
    results = Results(title="T", settings={}, rows=ROWS)
    assert [order.metric for order in results.orders] == ["ssim"]


def test_the_table_has_every_row_and_the_paper_s_figures() -> None:
    lines = Results(title="T", settings={"seed": 0}, rows=ROWS).to_markdown().splitlines()
    assert lines[0] == "**T** (seed 0)"
    assert lines[2] == "|  | prompt | SSIM ↑ | PSNR ↑ | paper: LPIPS ↓ | paper: SSIM ↑ |"
    assert lines[4] == "| a | PRD | 0.9000 | 20.000 | 0.2000 | 0.1000 |"
    assert "1 of 3 pairs" in lines[-1]


def test_json_holds_the_orders() -> None:
    values = json.loads(json.dumps(Results(title="T", settings={}, rows=ROWS).to_json()))
    assert values["orders"][0]["agreeing"] == 1
    assert values["rows"][0]["figures"]["ssim"] == pytest.approx(0.9)
