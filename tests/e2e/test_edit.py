"""`cfld edit` and `cfld attention` as people run them: what they write, and what they say to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.cli import main
from cfld.contact_sheet import GAP
from cfld.poses.keypoints import Keypoints, save_keypoints
from support.commands import error_line, run
from support.images import pixels

QUICK = ("--steps", "2", "--device", "cpu")
SIZE = (45, 67)
OUTPUT = (44, 64)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, person: Image.Image, poses: list[Keypoints], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: three people, a mask of the first one's left half, and a pose."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    person.save("a.png")
    person.rotate(180).save("b.png")
    person.rotate(90).resize(SIZE).save("c.png")
    mask = np.zeros(SIZE[::-1], dtype=np.uint8)
    mask[:, :20] = 255
    Image.fromarray(mask).save("mask.png")
    save_keypoints(poses[0], "pose.json")
    return tmp_path


@pytest.fixture
def transfer(model_folder: Path) -> list[str | Path]:
    given = ("--reference", "a.png", "--mask", "mask.png", "--source", "b.png", "--target-pose", "pose.json")
    return ["edit", "transfer", "--model", model_folder, *given, *QUICK]


@pytest.fixture
def blend(model_folder: Path) -> list[str | Path]:
    return ["edit", "interpolate", "--model", model_folder, "--target-pose", "pose.json", *QUICK]


class TestTransfer:
    def test_result_and_settings(self, transfer: list[str | Path], capsys: pytest.CaptureFixture[str]) -> None:
        run(*transfer, "--out", "new/edited.png", "--seed", "3", "--scheduler", "euler", "--feather", "2")
        assert capsys.readouterr().out.strip() == "new/edited.png"
        assert Image.open("new/edited.png").size == OUTPUT
        settings = json.loads(Path("new/edited.png.json").read_text())
        expected = {"reference": "a.png", "mask": "mask.png", "source": "b.png", "target_pose": "pose.json"}
        expected |= {"feather": 2.0, "paste": False, "seed": 3, "scheduler": "euler", "steps": 2}
        assert {name: settings[name] for name in expected} == expected
        assert sorted(path.name for path in Path("new").iterdir()) == ["edited.png", "edited.png.json"]

    def test_pasted(self, transfer: list[str | Path]) -> None:
        run(*transfer, "--out", "edited.png", "--paste")
        edited, reference = pixels(Path("edited.png")), pixels(Path("a.png"))
        assert np.array_equal(edited[:, 20:], reference[:, 20:])
        assert not np.array_equal(edited[:, :20], reference[:, :20])

    def test_all_masked_is_what_generate_draws(self, transfer: list[str | Path], model_folder: Path) -> None:
        Image.new("1", SIZE, 1).save("mask.png")
        run(*transfer, "--out", "edited.png", "--seed", "4")
        options = ("--model", model_folder, "--source", "b.png", "--target-pose", "pose.json", "--seed", "4")
        run("generate", *options, "--out", "plain", *QUICK)
        assert np.array_equal(pixels(Path("edited.png")), pixels(Path("plain/b_to_pose.png")))

    def test_bad_masks(self, transfer: list[str | Path], capsys: pytest.CaptureFixture[str]) -> None:
        out = ("--out", "edited.png")
        Image.new("L", (67, 45), "white").save("mask.png")
        assert "mask has 67 x 45 pixels, expected 45 x 67" in error_line(capsys, *transfer, *out)
        Image.new("L", SIZE).save("mask.png")
        assert "the mask is empty" in error_line(capsys, *transfer, *out)
        Image.new("RGBA", SIZE).save("mask.png")
        assert "the mask is empty" in error_line(capsys, *transfer, *out)
        Path("mask.png").write_bytes(b"hello")
        assert "mask.png: is not an image" in error_line(capsys, *transfer, *out)
        Path("mask.png").unlink()
        assert "mask.png: no such file" in error_line(capsys, *transfer, *out)
        assert not Path("edited.png").exists()

    @pytest.mark.parametrize(
        ("options", "say"),
        [
            (("--feather", "-1"), "feather must be between"),
            (("--feather", "nan"), "feather must be between"),
            (("--steps", "0"), "steps must be between 1 and 1,000"),
            (("--scheduler", "magic"), "invalid choice 'magic' for argument '--scheduler'"),
            (("--source", "none.png"), "none.png: no such file"),
            (("--source", "folder"), "is a folder, expected a file"),
            (("--reference", "none.png"), "none.png: no such file"),
            (("--target-pose", "nobody"), "neither a file nor a number"),
            (("--out", "edited.xyz"), "unknown file extension; use one of .png"),
            (("--out", "edited.gif"), "unknown file extension; use one of .png"),
            (("--out", "edited"), "unknown file extension"),
            (("--out", "./a.png"), "is also an input"),
            (("--out", "mask.png"), "is also an input"),
            (("--model", "none/here"), "none/here"),
        ],
    )
    def test_bad_options(
        self, transfer: list[str | Path], options: tuple[str, str], say: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        reference = Path("a.png").read_bytes()
        assert say in error_line(capsys, *transfer, "--out", "edited.png", *options)
        assert not Path("edited.png").exists()
        assert Path("a.png").read_bytes() == reference


class TestInterpolate:
    def test_a_strip(self, blend: list[str | Path], capsys: pytest.CaptureFixture[str]) -> None:
        run(*blend, "--source", "a.png", "b.png", "--frames", "3", "--out", "strip.png")
        assert capsys.readouterr().out.strip() == "strip.png"
        assert Image.open("strip.png").width == 3 * (OUTPUT[0] + GAP) + GAP
        assert json.loads(Path("strip.png.json").read_text())["source"] == ["a.png", "b.png"]

    @pytest.mark.parametrize("which", ["a", "b"])
    def test_weights_of_1_and_0_are_what_generate_draws(
        self, which: str, blend: list[str | Path], model_folder: Path
    ) -> None:
        """To the bit; the noise is that of the first source, here the one that counts."""
        others = ("b.png", "c.png") if which == "a" else ("c.png", "a.png")
        weights = ("--weights", "1", "0", "0")
        run(*blend, "--source", f"{which}.png", *others, *weights, "--seed", "5", "--out", "mixed.png")
        options = ("--model", model_folder, "--source", f"{which}.png", "--target-pose", "pose.json", "--seed", "5")
        run("generate", *options, "--out", "plain", *QUICK)
        assert np.array_equal(pixels(Path("mixed.png")), pixels(Path(f"plain/{which}_to_pose.png")))

    def test_frames_pass_from_source_to_source(self, blend: list[str | Path]) -> None:
        run(*blend, "--source", "a.png", "b.png", "--frames", "3", "--out", "strip.png")
        run(*blend, "--source", "a.png", "b.png", "--weights", "0.5", "0.5", "--out", "middle.png")
        strip, middle = pixels(Path("strip.png")), pixels(Path("middle.png"))
        top, left = strip.shape[0] - GAP - OUTPUT[1], GAP + OUTPUT[0] + GAP
        assert np.array_equal(strip[top : top + OUTPUT[1], left : left + OUTPUT[0]], middle)

    def test_several_rows_of_weights(self, blend: list[str | Path]) -> None:
        rows = ("--weights", "1", "0", "--weights", "0.2", "0.8")
        run(*blend, "--source", "a.png", "b.png", *rows, "--out", "strip.jpg")
        assert Image.open("strip.jpg").format == "JPEG"
        assert Image.open("strip.jpg").width == 2 * (OUTPUT[0] + GAP) + GAP

    @pytest.mark.parametrize(("name", "kind"), [("x.gif", "GIF"), ("x.webp", "WEBP"), ("x.apng", "PNG")])
    def test_animations(self, name: str, kind: str, blend: list[str | Path]) -> None:
        run(*blend, "--source", "a.png", "b.png", "c.png", "--frames", "4", "--out", name)
        animation = Image.open(name)
        assert (animation.format, animation.n_frames, animation.size) == (kind, 4, OUTPUT)

    @pytest.mark.parametrize(
        ("options", "say"),
        [
            (("--source", "--frames", "3"), "no source"),
            (("--source", "--weights", "1"), "no source"),
            (("--source", "a.png", "b.png", "--weights", "0.5", "0.6"), "sum to 1, got 0.5, 0.6 (sum 1.1)"),
            (("--source", "a.png", "b.png", "--weights", "2", "-1"), "weights must be between 0 and 1"),
            (("--source", "a.png", "b.png", "--weights", "1"), "1 weights for 2 sources"),
            (("--source", "a.png", "b.png", "--weights", "nan", "1"), "weights must be between 0 and 1"),
            (
                ("--source", "a.png", "b.png", "--weights", "1", "0", "--frames", "3"),
                "either --weights or --frames",
            ),
            (("--source", "a.png", "b.png", "--frames", "1"), "frames must be between 2"),
            (("--source", "a.png", "none.png"), "none.png: no such file"),
            (("--source", "a.png", "folder"), "is a folder"),
            (("--source", "a.png", "--out", "x.bmp"), "unknown file extension; use one of .png, .jpg, .jpeg, .gif"),
            (("--source", "a.png", "--out", "a.png"), "is also an input"),
        ],
    )
    def test_bad_input(
        self, options: tuple[str, ...], say: str, blend: list[str | Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert say in error_line(capsys, *blend, "--out", "strip.png", *options)
        assert not Path("strip.png").exists()


class TestAttention:
    def test_a_row_a_source(self, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = ("attention", "--model", model_folder, "--device", "cpu")
        run(*command, "--source", "a.png", "--out", "last.png")
        assert capsys.readouterr().out.strip() == "last.png"
        run(*command, "--source", "a.png", "b.png", "--out", "two.png")
        run(*command, "--source", "a.png", "--blocks", "mean", "--out", "mean.png")
        last, two = (pixels(Path(f"{name}.png")) for name in ("last", "two"))
        assert two.shape[0] > 1.7 * last.shape[0]
        assert two.shape[1] == last.shape[1]
        assert json.loads(Path("mean.png.json").read_text())["blocks"] == "mean"

    def test_bad_input(self, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = ("attention", "--model", model_folder)
        assert "--source is empty" in error_line(capsys, *command, "--source", "--out", "x.png")
        assert "none.png: no such file" in error_line(capsys, *command, "--source", "none.png", "--out", "x.png")
        assert "unknown file extension" in error_line(capsys, *command, "--source", "a.png", "--out", "x.gif")
        assert "--blocks" in error_line(capsys, *command, "--source", "a.png", "--out", "x.png", "--blocks", "first")
        assert not Path("x.png").exists()


@pytest.mark.parametrize("command", [("edit", "transfer"), ("edit", "interpolate"), ("attention",), ("figures",)])
def test_help_is_for_strangers(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 8
