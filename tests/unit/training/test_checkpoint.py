import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from cfld.digests import Record
from cfld.training.checkpoint import FILES, Checkpoint, load_checkpoint, newest_checkpoint, save_checkpoint
from support.disk import largest_file


def checkpoint(step: int = 1, size: int = 3) -> Checkpoint:
    weight = nn.Parameter(torch.arange(float(size)))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    return Checkpoint(
        step=step,
        weights={"w": weight},
        average={"w": torch.full((size,), 0.1)},
        optimizer=optimizer.state_dict(),
        scaler={"scale": 65536.0, "_growth_tracker": 3},
        facts={"processes": 2, "frozen": "ab"},
    )


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    saved = checkpoint()
    loaded = load_checkpoint(save_checkpoint(tmp_path, saved))
    assert torch.equal(loaded.weights["w"], saved.weights["w"])
    assert torch.equal(loaded.average["w"], saved.average["w"])
    assert torch.equal(loaded.optimizer["state"][0]["exp_avg_sq"], saved.optimizer["state"][0]["exp_avg_sq"])
    assert loaded.optimizer["param_groups"] == saved.optimizer["param_groups"]
    assert (loaded.step, loaded.scaler, loaded.facts) == (saved.step, saved.scaler, saved.facts)


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (9, 10, 99999999, 100000000):
        save_checkpoint(tmp_path, checkpoint(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-100000000", "step-99999999"]
    assert newest_checkpoint(tmp_path) == tmp_path / "step-100000000"


def test_a_user_s_files_among_them_stay(tmp_path: Path) -> None:
    """Folders of their names, a renamed copy, and a file in one that is removed."""
    mine = [tmp_path / "step-00000000" / "a.txt", tmp_path / "step-00000009" / "state.json", tmp_path / "step-1" / "b"]
    for file in mine:
        file.parent.mkdir()
        file.write_text("mine")
    shutil.copytree(save_checkpoint(tmp_path, checkpoint(1)), tmp_path / "step-00000003")
    (tmp_path / "step-00000001" / "notes.txt").touch()
    for step in (4, 5, 6, 7):
        save_checkpoint(tmp_path, checkpoint(step))
    assert {path.name for path in tmp_path.iterdir()} == {
        *(
            "step-00000000",
            "step-00000001",
            "step-00000003",
            "step-00000006",
            "step-00000007",
            "step-00000009",
            "step-1",
        )
    }
    assert [file.read_text() for file in mine] == ["mine"] * 3
    assert [path.name for path in (tmp_path / "step-00000001").iterdir()] == ["notes.txt"]
    assert load_checkpoint(tmp_path / "step-00000007").step == 7


def test_an_incomplete_one_is_ignored(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    unfinished = tmp_path / ".step-00000002-x7"
    unfinished.mkdir()
    (unfinished / "weights.safetensors").write_bytes(b"half")
    assert newest_checkpoint(tmp_path) == tmp_path / "step-00000001"


def test_no_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize("limit", [1000, 100_000], ids=["weights", "optimizer"])
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    first = checkpoint(1)
    save_checkpoint(tmp_path, first)
    too_large = replace(checkpoint(2, size=20_000), **({} if limit == 1000 else {"average": {}, "weights": {}}))
    with (
        largest_file(limit),
        pytest.raises(OSError, match=r"step-00000002.*the last one, step-00000001, is complete") as error,
    ):
        save_checkpoint(tmp_path, too_large)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert torch.equal(load_checkpoint(tmp_path / "step-00000001").weights["w"], first.weights["w"])


def damage(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    path.unlink()
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    if kind == "one bit":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", ["cut", "absent", "one bit"])
def test_a_damaged_file_is_named(tmp_path: Path, file: str, kind: str) -> None:
    path = save_checkpoint(tmp_path, checkpoint())
    damage(path / file, kind)
    problem = "absent" if kind == "absent" else "damaged"
    with pytest.raises(ValueError, match=rf"step-00000001: a damaged checkpoint \({file} is {problem}\); remove it"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"\xff{", None])
def test_a_damaged_or_absent_record_is_no_excuse(tmp_path: Path, content: bytes | None) -> None:
    path = save_checkpoint(tmp_path, checkpoint())
    (path / Record.NAME).unlink()
    if content is not None:
        (path / Record.NAME).write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.safetensors is not recorded"):
        load_checkpoint(path)
