"""Table, JSON and page of an invented evaluation."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cfld.data.registry import open_dataset
from cfld.evaluation.evaluate import Evaluation
from cfld.evaluation.report import Order, check_out, ordered, to_json, to_markdown, write_report
from cfld.evaluation.scorer import PairScore, Row
from cfld.mannequin.dataset import write_mannequin

PSNR = (20.0, math.inf, 10.0, math.nan, 30.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "mannequin"
    write_mannequin(root, identities=2, poses=3, seed=0, size=(64, 44))
    return root


@pytest.fixture
def evaluation(root: Path) -> Evaluation:
    """Six pairs: five scored and one damaged, by a method with a name that HTML must escape; and the truth."""
    data = open_dataset("mannequin", root, "test")
    scores = [
        PairScore(source=s, target=t, file=data.path(s), figures={"ssim": i / 10, "psnr": PSNR[i]})
        for i, (s, t) in enumerate(data.pairs[:5])
    ]
    row = Row(name="<b>mine</b>", figures={"fid": 12.3456, "ssim": 0.2, "psnr": math.inf}, pairs=tuple(scores))
    truth = [
        PairScore(source=s, target=t, file=data.path(t), figures={"ssim": 1, "psnr": math.inf}) for s, t in data.pairs
    ]
    return Evaluation(
        protocol="cfld",
        data=data,
        size=(64, 44),
        rows=(
            replace(row, damaged=("x.png: is empty",)),
            Row(name="ground truth", figures={"ssim": 1}, pairs=tuple(truth)),
        ),
        notes=("LPIPS is omitted: <reason>",),
        problems=("x.png: is empty",),
        networks={"net.pth": "00"},
    )


def test_table(evaluation: Evaluation) -> None:
    lines = to_markdown(evaluation).splitlines()
    assert lines[0] == f"Protocol cfld at 64 x 44, test pairs of {evaluation.data.root}"
    assert lines[2] == "|  | n | FID ↓ | LPIPS ↓ | SSIM ↑ | SSIM_256 ↑ | PSNR ↑ |"
    assert lines[4] == "| <b>mine</b> | 5 of 6 | 12.346 | - | 0.2000 | - | +∞ |"
    assert lines[5] == "| ground truth | 6 | - | - | 1.0000 | - | - |"
    assert "- LPIPS is omitted: <reason>" in lines
    assert lines[-2:] == ["INCOMPLETE:", "- x.png: is empty"]


def test_json_is_valid_and_lists_damaged_images(evaluation: Evaluation) -> None:
    values = json.loads(json.dumps(to_json(evaluation, pairs=True), allow_nan=False))
    assert values["complete"] is False
    mine, truth = values["rows"]
    assert (mine["n"], mine["complete"], mine["damaged"]) == (5, False, ["x.png: is empty"])
    assert truth["complete"] is True
    assert float(mine["figures"]["psnr"]) == math.inf
    assert mine["pairs"][3]["figures"]["psnr"] is None
    assert "pairs" not in to_json(evaluation)["rows"][0]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(), [0, 1, 2, 3, 4, 5]),
        (Order(metric="psnr", worst_first=True), [2, 0, 4, 1, 3, 5]),
        (Order(metric="psnr"), [1, 4, 0, 2, 3, 5]),
        (Order(metric="ssim"), [4, 3, 2, 1, 0, 5]),
    ],
)
def test_order(order: Order, expected: list[int], evaluation: Evaluation) -> None:
    pairs = list(evaluation.data.pairs)
    assert [pairs.index(pair) for pair in ordered(evaluation, order)] == expected


def test_worst_is_highest_where_lower_is_better(evaluation: Evaluation) -> None:
    row = evaluation.rows[0]
    scores = [replace(score, figures={"lpips": 0.1 * i}) for i, score in enumerate(row.pairs)]
    changed = replace(evaluation, rows=(replace(row, pairs=tuple(scores)),))
    pairs = ordered(changed, Order(metric="lpips", worst_first=True))
    assert pairs == list(reversed(evaluation.data.pairs[:5]))


def test_page(evaluation: Evaluation, tmp_path: Path) -> None:
    assert write_report(evaluation, tmp_path / "out", Order(metric="psnr", worst_first=True)) == []
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert html.escape("<b>mine</b>") in page
    assert page.count("<article") == 6
    assert page.count(": damaged") == 1
    images = re.findall(r'<img src="([^"]*)" alt="" loading="lazy"', page)
    assert len(images) == page.count("<img") == 6 * 3 + 5
    assert all(Image.open(tmp_path / "out" / image).size == (44, 64) for image in images)
    assert len(set(images)) == len(list((tmp_path / "out" / "pictures").iterdir())) == 3 + 3
    assert "http" not in page
    figures = [json.loads(html.unescape(text)) for text in re.findall(r'data-figures="([^"]*)"', page)]
    assert figures[0][0]["psnr"] == 10
    assert figures[-1] == [None]


def test_images_missing_from_the_page_are_listed(evaluation: Evaluation, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"x")
    row = evaluation.rows[0]
    scores = (replace(row.pairs[0], file=broken), *row.pairs[1:])
    (line,) = write_report(replace(evaluation, rows=(replace(row, pairs=scores),)), tmp_path / "out", Order())
    assert str(broken) in line


def test_only_reports_are_overwritten(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path / "out", Order())
    write_report(evaluation, tmp_path / "out", Order())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").touch()
    with pytest.raises(ValueError, match="holds files that are not part of a report"):
        check_out(tmp_path / "mine")
