"""Which web pages may connect and call: exact origins, or any port of a host when an entry says so."""

import re
from collections.abc import Iterable
from typing import Final

_ENTRY: Final = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/:?#@\[\]*]+)(:(\d{1,5}|\*))?")
"""Scheme, host, and a port or `*`, as browsers write an origin (RFC 6454, section 6.2)."""
_ANY_PORT: Final = ":*"


def origin_fault(entry: str) -> str | None:
    """Return why `entry` isn't an origin, as a text for the operator; None when it is one."""
    if _ENTRY.fullmatch(entry.lower()) is not None:
        return None
    return f"{entry!r} is no origin: write scheme, host and port as https://chat.example or http://localhost:*"


class AllowedOrigins:
    """A list of origins in lower case. `http://localhost:*` allows every port. An empty list allows everything."""

    def __init__(self, entries: Iterable[str]) -> None:
        entries = list(entries)
        self._exact = frozenset(entry for entry in entries if not entry.endswith(_ANY_PORT))
        self._hosts = frozenset(entry.removesuffix(_ANY_PORT) for entry in entries if entry.endswith(_ANY_PORT))

    def allows(self, origin: str) -> bool:
        """Return True when a page of `origin` may connect and call."""
        if not self._exact and not self._hosts:
            return True
        origin = origin.lower()
        host, _, port = origin.rpartition(":")
        return origin in self._exact or origin in self._hosts or (host in self._hosts and port.isdecimal())

    @property
    def pattern(self) -> str:
        """Return a regular expression that matches the allowed origins, for CORS."""
        if not self._exact and not self._hosts:
            return ".*"
        exact = [re.escape(entry) for entry in sorted(self._exact)]
        return "(?i:" + "|".join([*exact, *(rf"{re.escape(host)}(:\d+)?" for host in sorted(self._hosts))]) + ")"
