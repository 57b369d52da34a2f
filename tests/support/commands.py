"""The `cfld` command as people run it: in the test's process, in one of its own, and as a server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from cfld.cli import main


def run(*arguments: object) -> None:
    """Runs a command in this process."""
    main([str(argument) for argument in arguments])


def error_line(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs a command that must fail: it prints one line, which is returned, and exits with code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1, printed.err
    assert printed.err.startswith("cfld: ")
    return printed.err


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own."""
    return subprocess.run(_command(*arguments), capture_output=True, text=True, check=False)


class Server:
    """A command that serves, in a process of its own.

    Attributes:
        address: the URL that it prints first.
    """

    def __init__(self, *arguments: object, **environment: str) -> None:
        self.process = subprocess.Popen(
            _command(*arguments), stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://\S+:\d+", first)
        assert found, f"the server did not start: {first!r}"
        self.address = found[0]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def kill(self) -> None:
        """As in a power cut: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL

    def stop(self) -> int:
        """Sends SIGTERM and returns the exit code. Not SIGINT, which a shell's background processes ignore."""
        self.process.terminate()
        return self.process.wait(30)


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cfld", *(str(argument) for argument in arguments)]
