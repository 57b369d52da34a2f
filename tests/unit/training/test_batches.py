from dataclasses import replace
from itertools import chain

import pytest
import torch

from cfld.config.schema import DataConfig
from cfld.data.transforms import to_model_range
from cfld.mannequin.dataset import MannequinDataset
from cfld.training.batches import ImageSamples, MicroBatches, PairSamples, derived_seed, open_data

DATA = MannequinDataset(identities=2, poses=2, size=(64, 44))
SAMPLES = PairSamples(dataset=DATA, source_size=32, pose_size=(32, 32), image_size=64, flip=0.0, seed=0)


def keys(length: int = 10, batch: int = 2, rank: int = 0, processes: int = 1, start: int = 0, stop: int = 20) -> list:
    order = MicroBatches(length, batch, rank=rank, processes=processes, seed=3, start=start, stop=stop)
    assert len(order) == stop - start
    return list(order)


def test_each_epoch_has_every_sample_once_in_another_order() -> None:
    flat = list(chain(*keys()))
    epochs = [[index for epoch, index in flat if epoch == wanted] for wanted in range(4)]
    assert all(sorted(indices) == list(range(10)) for indices in epochs)
    assert epochs[0] != epochs[1]


def test_a_later_start_gives_the_rest_of_the_same_sequence() -> None:
    assert keys(start=7) == keys()[7:]


def test_processes_and_batch_sizes_cut_one_sequence() -> None:
    """Two processes of batch 2 see together what one of batch 4 sees; also where an epoch ends in a batch."""
    first, second = (keys(length=7, rank=rank, processes=2) for rank in (0, 1))
    assert [a + b for a, b in zip(first, second, strict=True)] == keys(length=7, batch=4)


def test_a_batch_larger_than_the_data_set_spans_epochs() -> None:
    assert sorted(keys(length=2, batch=4, stop=1)[0]) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_derived_seeds_differ() -> None:
    seeds = {derived_seed(0, step, forward, rank) for step in range(20) for forward in range(3) for rank in range(3)}
    assert len(seeds) == 180
    assert derived_seed(1, 2) == derived_seed(1, 2)


def test_a_pair_is_ready_for_the_model() -> None:
    sample = SAMPLES[0, 1]
    shapes = {name: tuple(tensor.shape) for name, tensor in sample.items()}
    assert shapes == {"source_image": (3, 32, 32), "poses": (2, 21, 32, 32), "images": (2, 3, 64, 64)}
    assert sample["images"].min() >= -1
    assert sample["images"].max() > 0.5
    assert not torch.equal(sample["poses"][0], sample["poses"][1])


def test_only_the_source_image_that_H_S_sees_is_flipped() -> None:  # noqa: N802
    plain, flipped = SAMPLES[0, 1], replace(SAMPLES, flip=1.0)[0, 1]
    assert torch.equal(plain["source_image"].flip(-1), flipped["source_image"])
    assert torch.equal(plain["poses"], flipped["poses"])
    assert torch.equal(plain["images"], flipped["images"])


def test_flips_depend_on_seed_epoch_and_index_alone() -> None:
    samples = replace(SAMPLES, flip=0.5)
    flips = [[samples._flipped(epoch, index) for index in range(400)] for epoch in (0, 1)]
    assert flips[0] != flips[1]
    assert flips[0] == [samples._flipped(0, index) for index in range(400)]
    assert all(150 < sum(row) < 250 for row in flips)


def test_images_of_the_autoencoder_are_whole_or_cropped() -> None:
    whole = ImageSamples(dataset=DATA, image_size=(64, 44))
    image = whole[0, 1]["images"]
    assert torch.equal(image, to_model_range(DATA.image(DATA.names[1])))
    crops = [replace(whole, crop=40)[epoch, 1]["images"] for epoch in range(4)]
    places = [
        (top, left)
        for crop in crops
        for top in range(25)
        for left in range(5)
        if torch.equal(crop, image[:, top : top + 40, left : left + 40])
    ]
    assert len(places) == 4
    assert len(set(places)) > 1


def test_a_real_data_set_needs_a_folder() -> None:
    with pytest.raises(ValueError, match=r"data.root is not set.*deepfashion"):
        open_data(DataConfig(), "train", (256, 176))


def test_mannequins_need_no_folder() -> None:
    data = open_data(DataConfig(kind="mannequin", identities=2, poses=2), "test", (64, 44))
    assert len(data) == 4
    assert data.image(data.names[0]).shape == (3, 64, 44)
