"""Ends this process with the one that started it, however that one ends."""

import ctypes
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""prctl(2)."""


def end_with_parent() -> None:
    """Get SIGTERM when the parent process ends, also when it is killed. Only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
