"""Commands in processes of their own, which are killed at a random moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from cfld.cli import main

Arguments = list[str]


def start(arguments: Arguments, errors: Path) -> BaseProcess:
    """Forks the command from a process that has imported what it needs.

    Args:
        errors: file for what it prints.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cfld.training.loop", "cfld.inference.generation", "cfld.study.create", "cfld.cli"])
    process = context.Process(target=_run, args=(arguments, str(errors)))
    process.start()
    return process


def kill_after(process: BaseProcess, ready: Callable[[], bool], longest: float) -> bool:
    """Sends SIGKILL up to so many seconds after it is ready, and says whether the process died of it."""
    while process.is_alive() and not ready():
        time.sleep(0.0005)
    time.sleep(random.uniform(0, longest))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def _run(arguments: Arguments, errors: str) -> None:
    descriptor = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
    multiprocessing.set_start_method("fork", force=True)  # for data workers, as in a process started by hand
    main(arguments)
