from pathlib import Path

import pytest

from support.data_tree import NAMES, save_image, write_lists


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The small tree, training split alone."""
    root = tmp_path / "tree"
    write_lists(root)
    for seed, name in enumerate(NAMES):
        save_image(root / "train" / name, seed)
    return root
