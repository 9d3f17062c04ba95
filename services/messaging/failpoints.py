"""Failpoints: steps at which a test kills the process, to show that nothing is lost or duplicated. Off in production."""

import os
import signal
from enum import StrEnum


class Failpoint(StrEnum):
    """A step of a cycle. The process can be killed right after it."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    AFTER_FANOUT = "after_fanout"
    BEFORE_ACK = "before_ack"


class Failpoints:
    """Kills the process, as `kill -9` does, when it reaches the chosen point."""

    def __init__(self, chosen: Failpoint | None = None) -> None:
        self._chosen = chosen

    def reach(self, point: Failpoint) -> None:
        """Kill the process if this is the chosen point."""
        if point is self._chosen:
            os.kill(os.getpid(), signal.SIGKILL)
