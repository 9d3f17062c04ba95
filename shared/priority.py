"""The CPU priority of a process."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_SESSION: Final = Path("/proc/self/autogroup")


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
