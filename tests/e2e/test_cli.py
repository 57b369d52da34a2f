"""`cfld generate`, `convert` and `params` as people run them: what they write, and what they say to bad input."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.cli import main
from cfld.mannequin.dataset import write_mannequin
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints, save_keypoints
from support.commands import error_line, process, run
from support.disk import largest_file
from support.images import difference

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
QUICK = ("--steps", "1", "--device", "cpu")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Diffusers has nothing to warn of; its words would stand on the user's screen."""
    yield
    assert not [record for record in caplog.get_records("call") if record.name.startswith("diffusers")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mannequins in the DeepFashion layout; tests that change it copy it first."""
    root = tmp_path_factory.mktemp("data") / "mannequin"
    write_mannequin(root, identities=2, poses=3, seed=0, size=(64, 44))
    return root


@pytest.fixture
def arguments(model_folder: Path, photo: Path, pose_file: Path) -> list[str | Path]:
    """A `cfld generate` that works, but for its --out."""
    return ["generate", "--model", model_folder, "--source", photo, "--target-pose", pose_file, *QUICK]


class TestGenerate:
    def test_a_photo_in_a_pose(
        self, arguments: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(*arguments, "--out", tmp_path / "out", "--seed", "5", "--scheduler", "ddim")
        assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "me_to_pose.png")
        assert Image.open(tmp_path / "out" / "me_to_pose.png").size == (44, 64)
        settings = json.loads((tmp_path / "out" / "config.json").read_text())
        expected = {"seed": 5, "scheduler": "ddim", "steps": 1, "pose_guidance_scale": 2.0, "dtype": "float32"}
        assert {name: settings[name] for name in expected} == expected
        assert settings["version"]

    def test_a_folder_in_poses_of_every_kind(
        self, model_folder: Path, photo: Path, pose_file: Path, poses: list[Keypoints], tmp_path: Path
    ) -> None:
        people = tmp_path / "people"
        people.mkdir()
        for name in ("a.png", "b.jpg"):
            Image.open(photo).save(people / name)
        y, x = poses[1].to_annotation()
        (tmp_path / "rows.csv").write_text(f"name:keypoints_y:keypoints_x\nrow.jpg: {y}: {x}\n")
        run(
            *("generate", "--model", model_folder, "--source", people, "--annotations", tmp_path / "rows.csv"),
            *("--target-pose", pose_file, "row.jpg", "11", "--out", tmp_path / "out", *QUICK),
        )
        names = {path.stem for path in (tmp_path / "out").glob("*.png")}
        assert names == {f"{who}_to_{pose}" for who in "ab" for pose in ("pose", "row", "mannequin11")}

    def test_a_test_set_resumed(self, model_folder: Path, dataset: Path, tmp_path: Path) -> None:
        command = ("generate", "--model", model_folder, "--data", dataset, "--split", "test", *QUICK)
        run(*command, "--out", tmp_path / "whole", "--batch", "8")
        run(*command, "--out", tmp_path / "out", "--limit", "1")
        assert len(list((tmp_path / "out").glob("*.png"))) == 1
        run(*command, "--out", tmp_path / "out", "--batch", "1")
        whole, resumed = (sorted((tmp_path / name).glob("*.png")) for name in ("whole", "out"))
        assert [path.name for path in whole] == [path.name for path in resumed]
        assert len(whole) == len((dataset / "fashion-resize-pairs-test.csv").read_text().split()) - 1
        for a, b in zip(whole, resumed, strict=True):
            assert difference(a, b) <= 1

    def test_missing_annotations_are_named_counted_and_skipped(
        self,
        model_folder: Path,
        dataset: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        root = Path(shutil.copytree(dataset, tmp_path / "data"))
        (annotations,) = root.glob("*annotation-test.csv")
        header, first, *rest = annotations.read_text().splitlines()
        annotations.write_text("\n".join([header, *rest]))
        name = first.split(":")[0]
        command = ("generate", "--model", model_folder, "--data", root, "--out", tmp_path / "out", *QUICK)
        line = error_line(capsys, *command)
        assert name in line
        assert "1 images" in line
        assert not (tmp_path / "out").exists()
        run(*command, "--skip-missing")
        pairs = (root / "fashion-resize-pairs-test.csv").read_text().split()[1:]
        left = [pair for pair in pairs if name not in pair]
        assert 0 < len(left) < len(pairs)
        assert len(list((tmp_path / "out").glob("*.png"))) == len(left)
        assert "1 images" in caplog.text
        assert name in caplog.text

    def test_a_wide_source_and_pose_are_fitted_and_it_is_said(
        self, model_folder: Path, poses: list[Keypoints], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        Image.new("RGB", (320, 180), "red").save(tmp_path / "wide.png")
        yx = poses[0].yx
        save_keypoints(Keypoints(np.where(yx == -1, -1, yx * 4 + (20, 700)), (1080, 1920)), tmp_path / "pose.json")
        arguments = ("--source", tmp_path / "wide.png", "--target-pose", tmp_path / "pose.json", *QUICK)
        run("generate", "--model", model_folder, *arguments, "--out", tmp_path / "out")
        assert "source image of 180 x 320 (height x width) is extended to the model's aspect ratio" in caplog.text
        assert "target pose in a frame of 1080 x 1920 (height x width) is fitted" in caplog.text

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"frame": [256, 176], "keypoints": [[1000 + i, 1000] for i in range(18)]}, "no joint or limb lies in"),
            ({"keypoints": [[0.05 * i, 0.5] for i in range(18)]}, "fractions of an image"),
            ([{"keypoints": [0.5, 0.25, 2] * 17}], "fractions of an image"),
        ],
    )
    def test_poses_of_another_unit(
        self,
        content: object,
        message: str,
        arguments: list[str | Path],
        pose_file: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        pose_file.write_text(json.dumps(content))
        assert message in error_line(capsys, *arguments, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_other_settings_leave_the_folder_alone(
        self, arguments: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(*arguments, "--out", tmp_path / "out")
        image = (tmp_path / "out" / "me_to_pose.png").read_bytes()
        assert "other settings (seed)" in error_line(capsys, *arguments, "--out", tmp_path / "out", "--seed", "1")
        assert (tmp_path / "out" / "me_to_pose.png").read_bytes() == image


def giant_png(side: int = 20_000) -> bytes:
    """The start of an image of 400 million pixels, which the guard of Pillow refuses to unpack."""
    header, data = b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"\0" * 99)
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def broken_images(folder: Path, photo: Path) -> dict[str, Path]:
    """Images that cannot be read, by what should be said of them."""
    whole = photo.read_bytes()
    contents = {"is not an image": b"hello", "is damaged": whole[: len(whole) // 2], "is empty": b""}
    files = {}
    for i, (say, content) in enumerate(contents.items()):
        files[say] = folder / f"broken{i}.png"
        files[say].write_bytes(content)
    (folder / "giant.png").write_bytes(giant_png())
    return {**files, "too many pixels": folder / "giant.png", "no such file": folder / "none.png"}


class TestGenerateRefuses:
    def test_broken_images(
        self, arguments: list[str | Path], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for say, file in broken_images(tmp_path, photo).items():
            line = error_line(capsys, *arguments, "--source", file, "--out", tmp_path / "out")
            assert say in line
            assert file.name in line
            assert not (tmp_path / "out").exists()

    def test_broken_poses(
        self,
        arguments: list[str | Path],
        poses: list[Keypoints],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        yx = poses[0].yx.astype(int)
        contents = {
            "18 joints": json.dumps(yx[:17].tolist()),
            "NumPy 2": "[" + ", ".join(f"[np.int64({y}), np.int64({x})]" for y, x in yx) + "]",
            "not JSON": "{",
            "all 18 joints are missing": json.dumps([[-1, -1]] * 18),
        }
        base = [argument for argument in arguments if not str(argument).endswith((".json", "--target-pose"))]
        for say, content in contents.items():
            (tmp_path / "bad.json").write_text(content)
            assert say in error_line(capsys, *base, "--target-pose", tmp_path / "bad.json", "--out", tmp_path / "out")
        assert "neither a file nor a number" in error_line(
            capsys, *base, "--target-pose", "nobody", "--out", tmp_path / "out"
        )
        (tmp_path / "rows.csv").write_text("name:keypoints_y:keypoints_x\na.jpg: [np.int64(3)]: [1]\n")
        rows = ("--annotations", tmp_path / "rows.csv", "--target-pose", "a.jpg", "--out", tmp_path / "out")
        assert "rows.csv, line 2: holds 'np.int64" in error_line(capsys, *base, *rows)
        assert not (tmp_path / "out").exists()

    def test_folders(self, arguments: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "empty").mkdir()
        assert "no image" in error_line(capsys, *arguments, "--source", tmp_path / "empty", "--out", tmp_path / "out")
        (tmp_path / "full" / "of").mkdir(parents=True)
        assert "was not written by cfld" in error_line(capsys, *arguments, "--out", tmp_path / "full")
        data = ("generate", "--data", tmp_path / "empty", "--out", tmp_path / "out")
        assert "holds no data set" in error_line(capsys, *data)
        assert "no such folder" in error_line(
            capsys, "generate", "--data", tmp_path / "none", "--out", tmp_path / "out"
        )
        assert not (tmp_path / "out").exists()

    def test_models(
        self,
        arguments: list[str | Path],
        model_folder: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        model = Path(shutil.copytree(model_folder, tmp_path / "model"))
        command = (*arguments, "--model", model, "--out", tmp_path / "out")
        config = json.loads((model / "conditioner" / "config.json").read_text())
        (model / "conditioner" / "config.json").write_text(json.dumps({**config, "source_size": 36}))
        assert "36 must be divisible by 32" in error_line(capsys, *command)
        shutil.rmtree(model / "conditioner")
        assert "conditioner/config.json is missing" in error_line(capsys, *command)
        shutil.copytree(model / "unet", model / "conditioner")
        assert "holds a UNet2DConditionModel, expected a Conditioner" in error_line(capsys, *command)
        (tmp_path / "empty").mkdir()
        assert "no model_index.json" in error_line(
            capsys, *arguments, "--model", tmp_path / "empty", "--out", tmp_path / "out"
        )
        assert "no such model folder" in error_line(
            capsys, *arguments, "--model", tmp_path / "no", "--out", tmp_path / "out"
        )
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("options", "say"),
        [
            (("--steps", "0"), "steps must be between 1 and 1,000"),
            (("--steps", "many"), "invalid literal for int()"),
            (("--pose-guidance-scale", "nan"), "pose_guidance_scale must be between"),
            (("--scheduler", "magic"), "invalid choice 'magic' for argument '--scheduler'"),
            (("--device", "abacus"), "--device abacus"),
            (("--device", "cuda:99"), "--device cuda:99"),
            (("--batch", "0"), "batch must be between 1 and 4,096"),
            (("--limit", "0"), "limit must be at least 1"),
            (("--data", "."), "give either --data, or --source and --target-pose"),
            (("--dtype", "int8"), "int8"),
            (("--colour", "red"), "--colour"),
        ],
    )
    def test_options(
        self,
        arguments: list[str | Path],
        options: tuple[str, ...],
        say: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert say in error_line(capsys, *arguments, *options, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_nothing_to_do(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "give --source and --target-pose, or --data" in error_line(capsys, "generate", "--out", tmp_path / "out")
        assert "Missing from cfld generate: --out" in error_line(capsys, "generate")
        assert "Unrecognized options: paint" in error_line(capsys, "paint")

    def test_a_full_disk_costs_the_image_in_hand_alone(
        self, arguments: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        command = (*arguments, "--target-pose", "3", "--out", out)
        run(*command, "--limit", "1")
        first = (out / "me_to_pose.png").read_bytes()
        with largest_file(100), pytest.raises(SystemExit) as stopped:
            run(*command)
        assert stopped.value.code == 2
        assert "File too large" in capsys.readouterr().err.splitlines()[-1]
        assert {path.name for path in out.iterdir()} == {"me_to_pose.png", "config.json", "digests.jsonl"}
        assert (out / "me_to_pose.png").read_bytes() == first
        run(*command)
        assert Image.open(out / "me_to_mannequin3.png").size == (44, 64)


class TestConvert:
    @pytest.fixture(scope="class")
    def released(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A checkpoint in the released format, nothing but zeros in it."""
        folder = tmp_path_factory.mktemp("released")
        shutil.copytree(GOLDEN / "tiny", folder, dirs_exist_ok=True)
        for file, shapes in json.loads(gzip.decompress((folder / "checkpoint_keys.json.gz").read_bytes())).items():
            torch.save({key: torch.zeros(shape, dtype=torch.half) for key, (shape, _) in shapes.items()}, folder / file)
        return folder

    def test_the_released_checkpoint(
        self, released: Path, sd15_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ("convert", "--checkpoint", released, "--base", sd15_folder, "--out", tmp_path / "model")
        run(*command, "--preset", "market1501")
        assert capsys.readouterr().out.strip() == str(tmp_path / "model")
        assert tuple(CFLDPipeline.from_pretrained(tmp_path / "model").config.output_size) == (128, 64)
        assert "exists already" in error_line(capsys, *command)

    def test_where_training_starts(self, sd15_folder: Path, tmp_path: Path) -> None:
        run("convert", "--base", sd15_folder, "--preset", "tiny", "--out", tmp_path / "start")
        assert CFLDPipeline.from_pretrained(tmp_path / "start").unet.config.sample_size == 8

    def test_bad_input(
        self, released: Path, sd15_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        out = ("--out", tmp_path / "model")
        both = ("--checkpoint", released, "--swin", tmp_path / "swin.pth")
        for line, say in (
            (("--base", sd15_folder, *both, *out), "leave out --swin"),
            (("--base", sd15_folder, "--swin", tmp_path / "swin.pth", "--preset", "tiny", *out), "no such file"),
            (("--base", sd15_folder, "--preset", "none", *out), "invalid choice 'none' for argument '--preset'"),
            (("--base", empty, "--preset", "tiny", *out), "no unet/config.json"),
            (("--base", sd15_folder, "--checkpoint", empty, *out), "pytorch_model.bin: no such file"),
            (("--base", sd15_folder, "--preset", "mannequin", *out), "must agree"),
        ):
            assert say in error_line(capsys, "convert", *line)
        assert list(tmp_path.iterdir()) == [empty]

    @pytest.mark.parametrize("room", [300, 50_000])
    def test_a_full_disk_leaves_nothing(
        self, room: int, sd15_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with largest_file(room):
            line = error_line(
                capsys, "convert", "--base", sd15_folder, "--preset", "tiny", "--out", tmp_path / "a" / "model"
            )
        assert "File too large" in line
        assert list(tmp_path.iterdir()) == []


def test_params_of_an_unknown_preset_as_a_process() -> None:
    """What a shell sees: the exit code, and one line without a traceback."""
    finished = process("params", "deepfashion")
    assert finished.returncode == 2
    assert finished.stdout == ""
    expected = "cfld: invalid choice 'deepfashion' for argument 'preset'. Expected one of ('deepfashion-256',"
    assert finished.stderr.startswith(expected)
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["generate", "convert", "params"])
def test_help_is_for_strangers(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 8
