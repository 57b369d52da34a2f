from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cfld.data.folder import FolderDataset
from cfld.evaluation.detected_poses import read_detected_poses
from cfld.poses.keypoints import save_keypoints


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_poses_from_both_kinds_of_files(kind: str, data: FolderDataset, tmp_path: Path) -> None:
    files = {pair: Path(f"{i}.png") for i, pair in enumerate(data.pairs)}
    folder, table = tmp_path / "json", tmp_path / "found.csv"
    folder.mkdir()
    rows = ["name:keypoints_y:keypoints_x"]
    for i, ((_, target), path) in enumerate(files.items()):
        pose = data.keypoints(target)
        name = f"{path.stem}.json" if i % 2 else f"{path.stem}_keypoints.json"
        save_keypoints(pose.scaled((512, 352)), folder / name)
        rows.append(":".join([path.name, *pose.to_annotation()]))
    table.write_text("\n".join(rows))
    poses = read_detected_poses(folder if kind == "json" else table, files, data.frame)
    assert list(poses) == list(files)
    for (_, target), pose in poses.items():
        np.testing.assert_allclose(pose.scaled(data.frame).yx, data.keypoints(target).yx, atol=0.5)
    table.write_text("\n".join(rows[:-2]))
    for path in sorted(folder.iterdir())[:2]:
        path.unlink()
    with pytest.raises(ValueError, match=r"no keypoints for 2 images: .*png, .*png"):
        read_detected_poses(folder if kind == "json" else table, files, data.frame)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file or folder of keypoints"):
        read_detected_poses(tmp_path / "nothing", {}, (256, 176))
