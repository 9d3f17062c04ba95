"""Fault points: where a test may have the process die, to show that nothing is lost or doubled. Off in production."""

import os
import signal
from enum import StrEnum


class FaultPoint(StrEnum):
    """A step of a cycle, right after which the process can be killed."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    AFTER_FANOUT = "after_fanout"
    BEFORE_ACK = "before_ack"


class Faults:
    """Kills the process, as `kill -9` does, when it reaches the one point that was chosen."""

    def __init__(self, chosen: FaultPoint | None = None) -> None:
        self._chosen = chosen

    def reach(self, point: FaultPoint) -> None:
        """The cycle is here."""
        if point is self._chosen:
            os.kill(os.getpid(), signal.SIGKILL)
