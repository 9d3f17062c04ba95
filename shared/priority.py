"""How far a process stands back for the others of its machine."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_SESSION: Final = Path("/proc/self/autogroup")


def stand_back(niceness: int) -> None:
    """Raise the nice value (0 to 19) of this process, of those that it will start, and of its session when it leads one.

    Linux with autogroups compares nice values only within a session, and sessions by a value of their own (sched(7), «The
    autogroup feature»). Neither counts outside a container: there its control group's weight does (`cpu_shares` of Docker,
    `requests.cpu` of Kubernetes). Where the system refuses, the session's value stays.
    """
    if niceness == 0:
        return
    os.nice(niceness)
    if os.getsid(0) == os.getpid() and _SESSION.exists():
        with suppress(OSError):
            _SESSION.write_text(str(niceness), encoding="ascii")
