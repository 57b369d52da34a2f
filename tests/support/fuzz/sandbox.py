"""Runs a function in a process of its own, which may change nothing but its folder, and has no network.

Time, memory and the size of files are limited.
The processes are forked from a server that has imported everything, so that one takes milliseconds.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from support.fuzz.landlock import change_only
from support.network import UNREACHABLE

CPU_SECONDS: Final = 10
"""After so long a process is interrupted, as by Ctrl-C, and killed when that does not stop it."""
IDLE_SECONDS: Final = 30
"""A process that has not computed anything for so long waits for something that never comes."""
MEMORY: Final = 3 * 2**30
"""Bytes beyond those that the imports take."""
FILE_SIZE: Final = 2**30
OFFLINE: Final = {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE, "no_proxy": "127.0.0.1,::1,localhost"}
SERVING: Final = "Press Ctrl-C to stop."
"""A command that prints this serves until it is told to stop."""

PRELOAD: Final = "support.fuzz.preload"
_server = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Outcome:
    """What a process did.

    Attributes:
        code: exit code; negative: the signal that ended it.
        out, err: what it printed.
        seconds: how long it took; None: it did not end in time, and was killed.
    """

    code: int
    out: str
    err: str
    seconds: float | None


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A folder, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cfld-fuzz-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def call(function: Callable[..., Any], *arguments: Any, folder: Path, idle: float = IDLE_SECONDS) -> Outcome:
    """Calls an importable function with arguments that can be pickled, in the working directory `folder`."""
    _start_server()
    with empty_folder() as printed:
        process = _server.Process(target=_run, args=(function, arguments, folder, printed))
        start = time.monotonic()
        process.start()
        ended = _wait(process, printed / "out", idle)
        seconds = time.monotonic() - start if ended else None
        _kill_group(process)
        return Outcome(process.exitcode or 0, _text(printed / "out"), _text(printed / "err"), seconds)


@functools.cache
def _start_server() -> None:
    """Starts the server, which inherits the path of modules through the environment alone.

    There is one in a process, so one that another test has started, without the modules, is stopped first.
    """
    forkserver._forkserver._stop()
    _server.set_forkserver_preload([PRELOAD])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""


def _wait(process: Any, printed: Path, idle: float) -> bool:
    """Waits for the end of a process, and asks one that serves to stop. Whether it has ended, or waits for ever."""
    asked = False
    pause = 0.02
    progress, last = 0.0, time.monotonic()
    while process.is_alive() and time.monotonic() < last + idle:
        process.join(pause)
        pause = min(2 * pause, 0.5)
        if (computed := _computed(process.pid)) > progress:
            progress, last = computed, time.monotonic()
        if not asked and SERVING in _text(printed):
            os.kill(process.pid, signal.SIGINT)
            asked = True
    return not process.is_alive()


def _computed(pid: int) -> float:
    """Seconds that the process and its children have computed."""
    try:
        process = psutil.Process(pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    except psutil.Error:
        return 0.0
    return float(sum(one.user + one.system + one.children_user + one.children_system for one in times))


def _kill_group(process: Any) -> None:
    """Kills a process and its children."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()


def _run(function: Callable[..., Any], arguments: tuple[Any, ...], folder: Path, printed: Path) -> None:
    assert PRELOAD in sys.modules
    os.setsid()
    multiprocessing.set_start_method("fork", force=True)  # for workers of its own, as in a process started by hand
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(printed / name, os.O_WRONLY | os.O_CREAT), stream)
    os.environ.update(OFFLINE, HOME=str(folder), COLUMNS="200")
    tempfile.tempdir = str(printed)
    change_only(folder, printed)
    os.chdir(folder)
    for signal_number in (signal.SIGINT, signal.SIGXCPU):
        signal.signal(signal_number, signal.default_int_handler)
    _limit(resource.RLIMIT_DATA, _data_size() + MEMORY)
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + CPU_SECONDS, grace=CPU_SECONDS)
    _limit(resource.RLIMIT_FSIZE, FILE_SIZE)
    _limit(resource.RLIMIT_CORE, 0)
    function(*arguments)
    sys.stdout.flush()


def _limit(what: int, size: int, grace: int = 0) -> None:
    resource.setrlimit(what, (size, size + grace))


def _data_size() -> int:
    """Bytes of private memory that this process has, as RLIMIT_DATA counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * 1024
