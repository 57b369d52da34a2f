"""Weight files: found, downloaded from a real server, checked; refused when they are something else."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cfld.metrics.networks import Backbone
from cfld.metrics.weights import BACKBONE_FILES, INCEPTION_FILES, WeightFile, load_published, load_weights, obtain
from support.network import UNREACHABLE, proxies

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has one right file and one wrong one."""
    served = tmp_path / "served"
    served.mkdir()
    for digits in (DIGEST[:8], "00000000"):
        (served / f"net-{digits}.pth").write_bytes(CONTENT)
    handler = functools.partial(_Handler, directory=served)
    with proxies(), http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_names_and_checks_are_the_published_ones() -> None:
    files = {**INCEPTION_FILES, **BACKBONE_FILES}
    prefixes = {kind: file.sha256_prefix for kind, file in files.items()}
    assert prefixes == {"imagenet": "0cc3c7bd", "tensorflow": "6726825d", "alex": "7be5be79", "vgg": "397923af"}
    assert files["alex"].name == "alexnet-owt-7be5be79.pth"
    assert files["tensorflow"].name == "pt_inception-2015-12-05-6726825d.pth"


def test_downloaded_once(server: str, tmp_path: Path) -> None:
    file = WeightFile(f"{server}/net-{DIGEST[:8]}.pth")
    path = obtain(file, tmp_path / "weights")
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [file.name]
    path.write_bytes(b"mine")
    assert obtain(file, tmp_path / "weights").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["net-00000000.pth", "net-12345678.pth"])
def test_a_wrong_or_absent_download_says_what_to_put_where(name: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError,
        match=rf"{tmp_path}/weights/{name} is missing and cannot be downloaded from {server}/{name} .* put the file",
    ):
        obtain(WeightFile(f"{server}/{name}"), tmp_path / "weights")
    assert not list(tmp_path.glob("weights/*"))


def test_offline(tmp_path: Path) -> None:
    with proxies(), pytest.raises(FileNotFoundError, match="put the file there"):
        obtain(WeightFile(f"{UNREACHABLE}/net-12345678.pth"), tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


@pytest.fixture
def alexnet(tmp_path: Path) -> Path:
    """A file as torchvision saves it: with the classifier that LPIPS has no use for."""
    state = {**Backbone("alex").state_dict(), "classifier.1.weight": torch.zeros(2, 2)}
    torch.save(state, tmp_path / BACKBONE_FILES["alex"].name)
    return tmp_path / BACKBONE_FILES["alex"].name


def test_another_file_of_that_name_is_loaded_and_marked_as_unpublished(alexnet: Path) -> None:
    network = Backbone("alex")
    loaded = load_published(network, network, BACKBONE_FILES["alex"], alexnet.parent)
    assert not loaded.published
    assert loaded.sha256 == hashlib.sha256(alexnet.read_bytes()).hexdigest()
    assert not loaded.network.training
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
    state = torch.load(alexnet)
    assert all(torch.equal(state[name], value) for name, value in loaded.network.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut"])
def test_a_file_that_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.pth: not the weights of Backbone"):
        load_weights(Backbone("alex"), tmp_path / "x.pth")


def test_a_file_of_another_network(alexnet: Path) -> None:
    with pytest.raises(
        ValueError, match=r"alexnet-owt-7be5be79\.pth: not the weights of Backbone .* Missing key.* \"features\.\d"
    ):
        load_weights(Backbone("vgg"), alexnet)


def test_a_list_is_no_state(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "x.pth")
    with pytest.raises(ValueError, match="not the weights of Backbone"):
        load_weights(Backbone("alex"), tmp_path / "x.pth")
