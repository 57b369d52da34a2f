"""Features of images by H_S and H_D."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.build import CONDITIONERS, Components, build_conditioner
from cfld.config.presets import tiny_model
from cfld.data.transforms import read_image
from cfld.inference.failures import Failures
from cfld.inference.features import encode_features, read_features, unit_prompts
from cfld.pipeline import CFLDPipeline


def test_they_are_what_the_pipeline_encodes(pipe: CFLDPipeline, person: Image.Image) -> None:
    features = encode_features(pipe, [person])
    np.testing.assert_allclose(features["prompt"], pipe.encode_source(person).prompt_embeds, rtol=1e-6)
    channels = pipe.conditioner.source_encoder.channels
    assert [features[f"f_{scale}"].shape for scale in range(1, len(channels) + 1)] == [(1, width) for width in channels]
    assert {array.dtype for array in features.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", CONDITIONERS)
def test_every_conditioner_has_them(name: str, components: Components, person: Image.Image) -> None:
    parts = {**vars(components), "conditioner": build_conditioner(tiny_model().conditioner, name).eval()}
    assert np.isfinite(encode_features(CFLDPipeline(**parts, output_size=(64, 44)), [person])["prompt"]).all()


def test_batches_and_images_that_cannot_be_read(pipe: CFLDPipeline, people: Path) -> None:
    files = sorted(people.iterdir())
    files[1].write_bytes(b"cut")
    images = {file.name: partial(read_image, file) for file in (*files, people / "absent.png")}
    failures = Failures()
    names, features = read_features(pipe, images, failures, batch=2)
    assert (names, list(failures.messages)) == (["p0.png", "p2.png"], ["p1.png", "absent.png"])
    alone = encode_features(pipe, [read_image(files[2])])
    np.testing.assert_allclose(features["f_1"][1], alone["f_1"][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(unit_prompts(features), axis=1), 1, rtol=1e-5)
