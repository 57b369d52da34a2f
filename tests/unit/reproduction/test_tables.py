"""The initial weights of a reproduction are those of what they are made from now."""

from pathlib import Path

import pytest

from cfld.pipeline import BUNDLED
from cfld.reproduction.scales import SCALES
from cfld.reproduction.tables import Experiment, Options


def vae_file(folder: Path) -> Path:
    return folder / "vae" / "diffusion_pytorch_model.safetensors"


def vae_of(out: Path) -> str:
    return Experiment(SCALES["mannequin"], out, Options())._parts(BUNDLED / "mannequin", ["vae"], "start")


def test_initial_weights_are_written_once_and_again_when_they_are_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "start"
    assert vae_of(tmp_path) == str(folder)
    written = vae_file(folder).stat().st_mtime_ns
    vae_of(tmp_path)
    assert vae_file(folder).stat().st_mtime_ns == written
    vae_file(folder).write_bytes(b"cut")
    vae_of(tmp_path)
    assert vae_file(folder).read_bytes() == vae_file(BUNDLED / "mannequin").read_bytes()


def test_initial_weights_follow_their_origin(tmp_path: Path) -> None:
    experiment = Experiment(SCALES["mannequin"], tmp_path, Options())
    for origin in ("a", "a", "b"):
        experiment._initial_weights("start-B2", {"clip": origin}, lambda folder, text=origin: _write(folder, text))
        assert (tmp_path / "start-B2" / "weights").read_text() == origin


def test_a_folder_of_someone_else_is_not_replaced(tmp_path: Path) -> None:
    _write(tmp_path / "start", "mine")
    with pytest.raises(ValueError, match="start exists already"):
        vae_of(tmp_path)
    assert (tmp_path / "start" / "weights").read_text() == "mine"


def _write(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "weights").write_text(text)
