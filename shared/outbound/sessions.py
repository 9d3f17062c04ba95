"""HTTP client sessions for posts to the outside: no redirects, proxies or cookies; public addresses, unless told otherwise."""

from ipaddress import ip_address
from typing import Final

import aiohttp
from yarl import URL

from shared.outbound.addresses import AddressRefused, public_socket

IDLE_SECONDS: Final = 30
NAMES_SECONDS: Final = 60
"""How long the addresses of a name are remembered. The check is on the address that the socket connects to."""


def open_session(*, public_only: bool, connections: int = 0) -> aiohttp.ClientSession:
    """A session with at most `connections` at once (0: the caller bounds them); `public_only` refuses private addresses."""
    # Look-ups go by c-ares. In threads, slow ones for names that somebody invented would hold up all others.
    connector = aiohttp.TCPConnector(
        resolver=aiohttp.AsyncResolver(),
        limit=connections,
        keepalive_timeout=IDLE_SECONDS,
        ttl_dns_cache=NAMES_SECONDS,
        socket_factory=public_socket if public_only else None,
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
    )


def is_explicit(url: URL) -> bool:
    """True when whoever wrote `url` can only have meant that very machine: an IP address, or plain `http`.

    An `https` name is different: what it resolves to is somebody else's choice, so its addresses are checked.
    """
    if url.scheme == "http":
        return True
    try:
        ip_address(url.host or "")
    except ValueError:
        return False
    return True


def was_refused(error: BaseException | None) -> bool:
    """True when `error`, or what it came from, is our refusal of an address."""
    while error is not None:
        if isinstance(error, AddressRefused) or isinstance(getattr(error, "os_error", None), AddressRefused):
            return True
        error = error.__cause__
    return False
