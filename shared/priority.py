"""The CPU priority of a process."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_SESSION: Final = Path("/proc/self/autogroup")

SLICE_NANOSECONDS: Final = 100_000_000
"""The longest that Linux takes."""
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""Machine → number of the system call, which the C library has only since glibc 2.41."""
_KEEP_POLICY: Final = 0x08


class _Attributes(ctypes.Structure):
    """`struct sched_attr` in its first version (sched_setattr(2))."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def stand_back(niceness: int) -> None:
    """Raise the nice value (0 to 19) of this process, of its future children, and of its session when it leads one.

    Linux with autogroups compares nice values only within a session; sessions have a separate value (sched(7), «The autogroup
    feature»). Between containers neither counts, but the control group's weight (`cpu_shares` of Docker, `requests.cpu` of
    Kubernetes). When the system refuses, the session's value stays.
    """
    if niceness == 0:
        return
    os.nice(niceness)
    if os.getsid(0) == os.getpid() and _SESSION.exists():
        with suppress(OSError):
            _SESSION.write_text(str(niceness), encoding="ascii")
    lengthen_slice()


def lengthen_slice() -> bool:
    """Ask Linux for a long time slice, which a waking process with a shorter one ends at once. Returns whether it agreed.

    The scheduler since Linux 6.6 (EEVDF) lets a running process keep its core for a part of its slice, whatever its priority. A
    message wakes several processes in turn, and each of them would wait for that. A process can choose its slice since 6.12; on
    older kernels, and where the system refuses, nothing changes.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    size = ctypes.sizeof(_Attributes)
    attributes = _Attributes(size=size, flags=_KEEP_POLICY, nice=os.nice(0), runtime=SLICE_NANOSECONDS)
    return int(ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0)) == 0
