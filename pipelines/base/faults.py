"""Fault points, where tests kill the process or fill the disk; ordinary runs pass them unharmed.

Each durable step of a night passes a named place. ``RECSYS_FAULT=3`` kills the process with SIGKILL
at the third place it passes; ``RECSYS_FAULT=3:enospc`` raises "No space left on device" there and
at every later one, as a disk that stays full does. ``RECSYS_FAULT=0`` does nothing but count.
``RECSYS_FAULT_LOG`` names a file that gets a line per place; processes that share it are counted as
one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
from pathlib import Path

from pipelines.base.config import Fault, armed_fault

_lock = threading.Lock()
_passed: list[str] = []


def faultpoint(name: str) -> None:
    """Pass a fault point; called right before and after each step that must be atomic.

    Parameters
    ----------
    name : str
        ``subject.moment``, for example ``file.flushed``. The same name may be passed many times.

    Raises
    ------
    OSError
        With ``errno.ENOSPC``, if the disk is to be full here.
    """
    fault = armed_fault()
    if fault is None:
        return
    number = _count(fault, name)
    if fault.at == 0 or number < fault.at:
        return
    if fault.kind == "enospc":
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (fault {number}, {name})")
    if number == fault.at:
        os.kill(os.getpid(), signal.SIGKILL)


def passed_places() -> tuple[str, ...]:
    """Names of the fault points this process has passed while a fault was armed."""
    return tuple(_passed)


def _count(fault: Fault, name: str) -> int:
    """Number of fault points passed so far, this one included."""
    with _lock:
        _passed.append(name)
        return len(_passed) if fault.log is None else _count_in_log(fault.log, name)


def _count_in_log(path: Path, name: str) -> int:
    """Number of fault points passed by all processes that share the log, this one included."""
    with path.open("a+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # freed with the file, also by SIGKILL
        log.write(f"{name}\n".encode())
        log.flush()
        log.seek(0)
        return log.read().count(b"\n")
