"""Rows of the table: what a protocol does to images, and what becomes of damaged ones."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from cfld.data.folder import FolderDataset
from cfld.data.registry import open_dataset
from cfld.evaluation.detections import read_detections
from cfld.evaluation.filename_patterns import match_names
from cfld.evaluation.image_loading import Preparation
from cfld.evaluation.networks import Networks
from cfld.evaluation.reconstruction import reconstruct
from cfld.evaluation.reference_statistics import real_names, real_statistics
from cfld.evaluation.score import Method, Scorer
from cfld.inference.reconstruction import open_vae
from cfld.mannequin.dataset import write_mannequin
from cfld.metrics.fid import FeatureStatistics, frechet_distance
from cfld.metrics.lpips import LPIPS, published_heads
from cfld.metrics.networks import Backbone, InceptionV3
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.weights import Loaded
from cfld.poses.keypoints import save_keypoints

SIZE = (64, 44)


def random_network(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network.eval()


@pytest.fixture(scope="module")
def networks() -> Networks:
    """Random weights; 64 features, for which the distance takes no time."""
    inception = nn.Sequential(random_network(InceptionV3("imagenet")), nn.Linear(2048, 64)).requires_grad_(False)
    alex = LPIPS(random_network(Backbone("alex")), published_heads("alex"))
    return Networks(
        inception=Loaded(inception, "inception.pth", "0" * 64, published=False),
        lpips={"lpips": Loaded(alex, "alex.pth", "1" * 64, published=False)},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test people in three poses; tests that change it copy it first."""
    root = tmp_path_factory.mktemp("data") / "mannequin"
    write_mannequin(root, identities=8, poses=3, seed=0, size=SIZE)
    return root


@pytest.fixture(scope="module")
def data(root: Path) -> FolderDataset:
    return open_dataset("mannequin", root, "test")


@pytest.fixture
def blurred(data: FolderDataset, tmp_path: Path) -> Callable[..., Method]:
    """Writes a folder of blurred true images, and makes a row of it."""

    def make(radius: float = 1, size: tuple[int, int] = SIZE) -> Method:
        folder = tmp_path / f"blurred{radius}"
        folder.mkdir()
        for source, target in data.pairs:
            image = Image.open(data.path(target)).filter(ImageFilter.GaussianBlur(radius))
            name = f"{Path(source).stem}_to_{Path(target).stem}.png"
            image.resize(size[::-1], Image.Resampling.BICUBIC).save(folder / name)
        return Method(name="blurred", files=match_names(folder, data.pairs))

    return make


def truth_row(data: FolderDataset) -> Method:
    return Method(name="truth", files={pair: data.path(pair[1]) for pair in data.pairs}, is_truth=True)


def scorer(data: FolderDataset, protocol: str = "cfld", networks: Networks = Networks()) -> Scorer:  # noqa: B008
    return Scorer(data, Preparation(PROTOCOLS[protocol], SIZE), networks)


def stored(path: Path) -> NDArray[np.float32]:
    return np.asarray(Image.open(path)).transpose(2, 0, 1).astype(np.float32) / 255


def test_figures_are_scikit_images_of_the_files(data: FolderDataset, blurred: Callable[..., Method]) -> None:
    method = blurred()
    row = scorer(data).score(method)
    assert [(score.source, score.target) for score in row.pairs] == list(data.pairs)
    for score in row.pairs:
        truth, made = stored(data.path(score.target)), stored(score.file)
        span = made.max() - made.min()
        assert score.figures["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, made, data_range=1), abs=1e-5)
        assert score.figures["ssim"] == pytest.approx(
            structural_similarity(truth, made, data_range=1, win_size=43, channel_axis=0), abs=1e-6
        )
        assert score.figures["ssim_256"] == pytest.approx(
            structural_similarity(
                truth,
                made,
                data_range=span,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=0,
            ),
            abs=1e-6,
        )
    assert row.figures["psnr"] == pytest.approx(np.mean([score.figures["psnr"] for score in row.pairs]))
    assert not row.damaged
    assert not row.problem


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_truth_is_perfect_by_every_protocol(protocol: str, data: FolderDataset, networks: Networks) -> None:
    without_inception = replace(networks, inception=None)
    figures = scorer(data, protocol, without_inception).score(truth_row(data)).figures
    assert figures["psnr"] == math.inf
    assert figures["ssim"] == pytest.approx(1)
    assert figures["lpips"] == 0
    assert ("ssim_256" in figures) == (protocol != "standard")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_more_blur_is_worse(protocol: str, data: FolderDataset, blurred: Callable[..., Method]) -> None:
    little, much = (scorer(data, protocol).score(blurred(radius)).figures for radius in (0.5, 2))
    assert all(little[name] > much[name] for name in little)


class TestPreparation:
    @pytest.fixture
    def photo(self) -> Image.Image:
        noise = np.random.default_rng(0).integers(0, 256, (150, 100, 3), dtype=np.uint8)
        return Image.fromarray(noise)

    def test_truth_by_pillow_and_opencv(self, photo: Image.Image) -> None:
        height, width = SIZE
        values = np.asarray(photo, dtype=np.float32)
        expected = {
            "cfld": np.asarray(photo.resize((width, height), Image.Resampling.BICUBIC)),
            "pidm": cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR),
            "pcdms": cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC),
        }
        for name, image in expected.items():
            found = Preparation(PROTOCOLS[name], SIZE).truth(photo)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found.transpose(1, 2, 0) * 255, image, atol=1e-3)

    def test_a_prediction_of_the_right_size_stays_as_it_is_stored(self, photo: Image.Image) -> None:
        for protocol in ("cfld", "pidm", "standard"):
            found = Preparation(PROTOCOLS[protocol], (150, 100)).prediction(photo)
            np.testing.assert_array_equal((found.transpose(1, 2, 0) * 255).round(), np.asarray(photo))

    def test_cfld_cuts_off_what_standard_rounds(self, photo: Image.Image) -> None:
        cut, rounded = (Preparation(PROTOCOLS[name], SIZE).prediction(photo) * 255 for name in ("cfld", "standard"))
        difference = (rounded - cut).round()
        assert set(np.unique(difference)) == {0, 1}
        assert 0.4 < difference.mean() < 0.6
        np.testing.assert_allclose(cut, cut.round(), atol=1e-3)

    def test_others_refuse_another_size(self, photo: Image.Image) -> None:
        with pytest.raises(ValueError, match="150 x 100, and this protocol scores images as stored, at 64 x 44"):
            Preparation(PROTOCOLS["pidm"], SIZE).prediction(photo)

    def test_padding(self, photo: Image.Image) -> None:
        """256 x 176 in the middle of 256 x 256, white around it; of a square image, columns 40 to 216."""
        preparation = Preparation(PROTOCOLS["dptn"], (256, 176))
        square = Image.effect_noise((256, 256), 90).convert("RGB")
        found = preparation.truth(square)
        assert found.shape == (3, 256, 256)
        assert (found[:, :, :40] == 1).all()
        assert (found[:, :, 216:] == 1).all()
        np.testing.assert_array_equal((found[0, :, 40:216] * 255).round(), np.asarray(square)[:, 40:216, 0])
        assert preparation.truth(photo).shape == (3, 256, 256)

    def test_too_small(self) -> None:
        with pytest.raises(ValueError, match="32 x 32 or more"):
            Preparation(PROTOCOLS["cfld"], (64, 20))

    def test_padding_is_for_upright_images(self) -> None:
        with pytest.raises(ValueError, match="pads upright images"):
            Preparation(PROTOCOLS["dptn"], (44, 64))


def test_network_figures_stream(data: FolderDataset, blurred: Callable[..., Method], networks: Networks) -> None:
    method, real = blurred(), FeatureStatistics()
    real.update(np.random.default_rng(0).normal(size=(9, 64)))
    preparation = Preparation(PROTOCOLS["cfld"], SIZE)
    row = Scorer(data, preparation, networks, real.gaussian()).score(method)
    made = torch.from_numpy(np.stack([stored(path) for path in method.files.values()]))
    truth = torch.from_numpy(np.stack([stored(data.path(target)) for _, target in method.files]))
    at_once = FeatureStatistics()
    with torch.no_grad():
        at_once.update(networks.inception.network(made).numpy())
        lpips = networks.lpips["lpips"].network(2 * truth - 1, 2 * made - 1).numpy()
    assert row.figures["fid"] == pytest.approx(frechet_distance(real.gaussian(), at_once.gaussian()), rel=1e-5)
    np.testing.assert_allclose([score.figures["lpips"] for score in row.pairs], lpips, rtol=1e-4)


def test_pcdms_leaves_lpips_in_zero_to_one(
    data: FolderDataset, blurred: Callable[..., Method], networks: Networks
) -> None:
    method, without_inception = blurred(), replace(networks, inception=None)
    pcdms, pidm = (scorer(data, name, without_inception).score(method).figures["lpips"] for name in ("pcdms", "pidm"))
    assert pcdms < 0.9 * pidm


def test_damaged_images_are_named_and_the_rest_goes_on(data: FolderDataset, blurred: Callable[..., Method]) -> None:
    method = blurred()
    first, *_, last = method.files.values()
    first.write_bytes(first.read_bytes()[:200])
    last.write_bytes(b"")
    row = scorer(data).score(method)
    assert len(row.pairs) == len(data.pairs) - 2
    assert [str(path) in line for path, line in zip((first, last), row.damaged, strict=True)] == [True, True]
    assert row.figures["psnr"] > 0


def test_one_image_too_few(data: FolderDataset, blurred: Callable[..., Method]) -> None:
    method = blurred()
    one = replace(method, files=dict([next(iter(method.files.items()))]))
    row = scorer(data).score(one)
    assert "at least 2 images; got 1" in row.problem
    assert row.figures["psnr"] > 0


def test_pose_accuracy_from_both_kinds_of_files(
    data: FolderDataset, blurred: Callable[..., Method], tmp_path: Path
) -> None:
    method = blurred()
    (tmp_path / "json").mkdir()
    rows = ["name:keypoints_y:keypoints_x"]
    for i, ((_, target), path) in enumerate(method.files.items()):
        pose = data.keypoints(target)
        name = f"{path.stem}.json" if i % 2 else f"{path.stem}_keypoints.json"
        save_keypoints(pose.scaled((512, 352)), tmp_path / "json" / name)
        rows.append(":".join([path.name, *pose.to_annotation()]))
    (tmp_path / "found.csv").write_text("\n".join(rows))
    for where in ("json", "found.csv"):
        found = read_detections(tmp_path / where, method.files, data.frame)
        figures = scorer(data).score(replace(method, poses=found)).figures
        assert figures["pck_0.1"] == 1
        assert figures["oks"] > 0.99
    (tmp_path / "found.csv").write_text("\n".join(rows[:-2]))
    with pytest.raises(ValueError, match=r"no keypoints of 2 images: .*png, .*png"):
        read_detections(tmp_path / "found.csv", method.files, data.frame)
    with pytest.raises(ValueError, match="no such file or folder of keypoints"):
        read_detections(tmp_path / "nothing", method.files, data.frame)


@pytest.mark.parametrize("kind", ["colours", "inception"])
def test_identity(kind: str, data: FolderDataset, networks: Networks) -> None:
    subject = scorer(data, networks=networks if kind == "inception" else Networks())
    gallery = subject.gallery(kind)
    assert len(gallery.names) == 6
    assert len(set(gallery.people.values())) == 2
    right = subject.score(truth_row(data), gallery).figures
    assert right["identity_rank_1"] == 1
    other = dict(zip(data.pairs, [*data.pairs[6:], *data.pairs[:6]], strict=True))
    wrong_files = {pair: data.path(other[pair][1]) for pair in data.pairs}
    wrong = subject.score(Method(name="other people", files=wrong_files), gallery).figures
    assert wrong["identity_rank_1"] == 0
    assert wrong["identity_map"] < right["identity_map"]


def test_identity_without_its_weights(data: FolderDataset) -> None:
    with pytest.raises(ValueError, match="need its weights"):
        scorer(data).gallery("inception")


class TestRealSet:
    def test_remainders_are_dropped(self, root: Path) -> None:
        train = open_dataset("mannequin", root, "train")
        assert len(real_names(train, PROTOCOLS["cfld"])) == 18
        assert len(real_names(train, replace(PROTOCOLS["pidm"], fid_batch=8))) == 16
        with pytest.raises(ValueError, match="18 training images in whole batches of 64 are too few"):
            real_names(train, PROTOCOLS["pidm"])

    def test_computed_once(self, root: Path, networks: Networks, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(root, tmp_path / "data"))
        train = open_dataset("mannequin", copy, "train")
        inception = networks.inception
        arguments = (train, train.names[:3], Preparation(PROTOCOLS["cfld"], SIZE), inception, tmp_path / "cache")
        first = real_statistics(*arguments)
        assert first.n == 3
        (kept,) = (tmp_path / "cache").iterdir()
        stamp = kept.stat().st_mtime_ns
        np.testing.assert_array_equal(real_statistics(*arguments).covariance, first.covariance)
        assert kept.stat().st_mtime_ns == stamp
        train.path(train.names[0]).write_bytes(train.path(train.names[1]).read_bytes())
        assert (real_statistics(*arguments).mean != first.mean).any()
        other = replace(inception, sha256="2" * 64)
        real_statistics(*arguments[:3], other, arguments[-1])
        assert len(list((tmp_path / "cache").iterdir())) == 3

    def test_damaged_images_are_all_named(self, root: Path, networks: Networks, tmp_path: Path) -> None:
        train = open_dataset("mannequin", Path(shutil.copytree(root, tmp_path / "data")), "train")
        for name in train.names[1:3]:
            train.path(name).write_bytes(b"x")
        preparation = Preparation(PROTOCOLS["cfld"], SIZE)
        with pytest.raises(ValueError, match=f"2 images .*{train.names[1]}.*{train.names[2]}"):
            real_statistics(train, train.names[:4], preparation, networks.inception, tmp_path / "cache")
        assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("protocol", ["cfld", "dptn", "standard"])
def test_vae_reconstructions_are_images_of_the_right_size(
    protocol: str, data: FolderDataset, model_folder: Path, tmp_path: Path
) -> None:
    targets = list(dict.fromkeys(target for _, target in data.pairs))
    preparation = Preparation(PROTOCOLS[protocol], SIZE)
    files = reconstruct(data, targets, open_vae(str(model_folder)), preparation, tmp_path / "vae")
    assert list(files) == targets
    assert {Image.open(path).size for path in files.values()} == {SIZE[::-1]}
    method = Method(name="VAE", files={pair: files[pair[1]] for pair in data.pairs})
    assert scorer(data, protocol).score(method).figures["psnr"] > 0


def test_no_vae(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no vae/config\.json"):
        open_vae(str(tmp_path / "nothing"))
