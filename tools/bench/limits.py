"""The number of connections that this process and the balancer may hold."""

import resource
from typing import Final

SPARE: Final = 400


def raise_open_files() -> int:
    """Raise this process' soft limit of open files to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def most_connections(wanted: int) -> int:
    """`wanted`, or what the limit allows: the balancer needs two files for each connection, one to each side."""
    return min(wanted, (raise_open_files() - SPARE) // 2)
