"""Each connection takes a file descriptor: the limit of the process must allow for all of them."""

import resource
import sys
from typing import Final

import structlog

log = structlog.get_logger(__name__)

OTHER_FILES: Final = 200
"""Descriptors for connections to backends, HTTP requests and logs."""


def connections_that_fit(wanted: int, *, fixed: bool) -> int:
    """Raise the soft limit to what `wanted` connections need, and return how many fit below the hard limit.

    Exits with status 2 when the operator set the number (`fixed`) and the limit doesn't allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    if fixed:
        print(  # noqa: T201 - like every setting that can't be used
            f"CHAT_MAX_CONNECTIONS: {wanted} connections need {needed} open files, the limit (ulimit -n) is {soft}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    fit = max(1, soft - OTHER_FILES)
    log.warning("connections.limited_by_open_files", open_files=soft, connections=fit)
    return fit
