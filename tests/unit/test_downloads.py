"""Published files: downloaded once from a real server and verified; otherwise a message says what to put where."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfld.downloads import PublishedFile
from support.network import UNREACHABLE, proxies

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def published(url: str, sha256: str = DIGEST) -> PublishedFile:
    return PublishedFile(url=url, sha256=sha256, about="7 bytes, licence MIT", alternative="pass it with --net")


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has one file."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "net.pth").write_bytes(CONTENT)
    handler = functools.partial(_Handler, directory=served)
    with proxies(), http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8]])
def test_downloaded_once(sha256: str, server: str, tmp_path: Path) -> None:
    file = published(f"{server}/net.pth", sha256)
    path = file.obtain(tmp_path / "weights")
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [file.name]
    path.write_bytes(b"mine")
    assert file.obtain(tmp_path / "weights").read_bytes() == b"mine"


def test_kept_in_the_folder_of_torch_hub(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    assert published(f"{server}/net.pth").obtain() == tmp_path / "cache" / "hub" / "checkpoints" / "net.pth"


@pytest.mark.parametrize(
    ("name", "sha256", "reason"),
    [("net.pth", "0" * 8, "invalid hash"), ("net.pth", "0" * 64, "invalid hash"), ("none.pth", DIGEST, "404")],
)
def test_a_wrong_or_absent_download_says_what_to_put_where(
    name: str, sha256: str, reason: str, server: str, tmp_path: Path
) -> None:
    with pytest.raises(
        FileNotFoundError,
        match=rf"{tmp_path}/weights/{name} is missing and cannot be downloaded from {server}/{name} .*{reason}.* put "
        rf"the file there, or pass it with --net: {name} \(7 bytes, licence MIT, SHA-256 {sha256}\)",
    ):
        published(f"{server}/{name}", sha256).obtain(tmp_path / "weights")
    assert not list(tmp_path.glob("weights/*"))


def test_offline(tmp_path: Path) -> None:
    with proxies(), pytest.raises(FileNotFoundError, match="put the file there"):
        published(f"{UNREACHABLE}/net.pth").obtain(tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_interrupted_downloads_go_on(tmp_path: Path) -> None:
    """The first answer ends in the middle; the second is for the rest, and the file is whole and genuine."""
    content, requests = bytes(range(256)) * 40, []

    class Ranges(_Handler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            requests.append(start)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: 5000 if len(requests) == 1 else None])

    with proxies(), http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        file = published(f"http://127.0.0.1:{httpd.server_port}/net.pth", hashlib.sha256(content).hexdigest())
        with pytest.raises(FileNotFoundError, match=r"ended after 5,000 of 10,240 bytes; repeat the command"):
            file.obtain(tmp_path)
        assert file.obtain(tmp_path).read_bytes() == content
        httpd.shutdown()
    assert requests == [0, 5000]
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["net.pth"]


def test_digests_of_other_versions_are_genuine(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    for digests, genuine in ((("0" * 64, (DIGEST,)), True), (("0" * 64, ()), False), (("", ()), None)):
        file = PublishedFile(url="x/net.pth", sha256=digests[0], other_sha256=digests[1], about="", alternative="")
        assert file.is_genuine(file.path(tmp_path)) is genuine
