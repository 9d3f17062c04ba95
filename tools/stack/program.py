"""A program of the stack: how it is started, probed and stopped."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from tools.stack.home import ROOT

Probe = Callable[[], Awaitable[object]]
"""Returns when the server answers in its own protocol, raises NotReady when it doesn't."""


class Layer(IntEnum):
    """The layers of a stack. They are stopped from the highest down; the processes of a layer are stopped in parallel."""

    FOUNDATION = 0
    SERVER = 1
    SERVICE = 2


def nothing() -> None:
    """Do nothing: the program needs no preparation."""


@dataclass(frozen=True)
class Program:
    """One process to start. With equal `settings`, a running one needs no restart."""

    name: str
    command: tuple[str, ...]
    port: int
    probe: Probe
    environment: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = nothing
    """Runs before each start, in a thread: makes folders, clears what a killed predecessor left."""
    directory: Path = ROOT
    user: str | None = None
    layer: Layer = Layer.SERVER
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 60
    stop_seconds: float = 15
