"""Landlock: a Linux process and its children give up the right to change files outside of some folders."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls."""
VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
FIRST_VERSION: Final = 3
"""The first one that covers truncation."""
WRITE_FILE: Final = 1 << 1
CHANGES: Final = WRITE_FILE | sum(1 << bit for bit in range(4, 15))
"""Writing, truncating, removing, making and moving of files and folders."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


def change_only(*folders: Path) -> None:
    """Forbids changes outside of these folders, apart from devices; does nothing where the system has no Landlock."""
    if os.uname().sysname != "Linux" or _libc.syscall(CREATE_RULESET, None, 0, VERSION) < FIRST_VERSION:
        return
    ruleset = _call(CREATE_RULESET, struct.pack("=Q", CHANGES), 8, 0)
    for folder, rights in (*((folder, CHANGES) for folder in (*folders, Path("/dev/shm"))), (Path("/dev"), WRITE_FILE)):
        opened = os.open(folder, os.O_PATH)
        _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
        os.close(opened)
    assert _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
