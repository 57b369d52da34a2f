from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cfld.data.folder import FolderDataset
from cfld.evaluation.networks import Networks
from cfld.evaluation.preparation import Preparation
from cfld.evaluation.scorer import Method, Scorer
from cfld.evaluation.vae_reconstruction import reconstruct
from cfld.inference.reconstruction import open_vae
from cfld.metrics.protocols import PROTOCOLS
from support.metrics import SIZE


@pytest.mark.parametrize("protocol", ["cfld", "dptn", "standard"])
def test_vae_reconstructions_are_images_of_the_right_size(
    protocol: str, data: FolderDataset, model_folder: Path, tmp_path: Path
) -> None:
    targets = list(dict.fromkeys(target for _, target in data.pairs))
    preparation = Preparation(PROTOCOLS[protocol], SIZE)
    files = reconstruct(data, targets, open_vae(str(model_folder)), preparation, tmp_path / "vae")
    assert list(files) == targets
    assert {Image.open(path).size for path in files.values()} == {SIZE[::-1]}
    row = Scorer(data, preparation, Networks()).score(
        Method(name="VAE", files={pair: files[pair[1]] for pair in data.pairs})
    )
    assert row.figures["psnr"] > 0
