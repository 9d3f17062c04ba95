"""HTTP client sessions for outside servers, without redirects, proxies and cookies."""

from ipaddress import ip_address
from typing import Final

import aiohttp
from yarl import URL

from shared.outbound.addresses import AddressRefused, public_socket

IDLE_SECONDS: Final = 30
NAMES_SECONDS: Final = 60
"""How long DNS results are cached. The check is on the address that the socket connects to."""


def open_session(*, public_only: bool, connections: int = 0) -> aiohttp.ClientSession:
    """Return a session with at most `connections` (0: the caller limits them). `public_only` refuses private addresses."""
    # c-ares does the DNS look-ups. In threads, slow look-ups of invented names would delay all others.
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
    """Return True when `url` names a certain machine explicitly: by an IP address, or by plain `http`.

    An `https` name is different: others control what it resolves to, so its addresses are checked.
    """
    if url.scheme == "http":
        return True
    try:
        ip_address(url.host or "")
    except ValueError:
        return False
    return True


def was_refused(error: BaseException | None) -> bool:
    """Return True when `error`, or its cause, is our refusal of an address."""
    while error is not None:
        if isinstance(error, AddressRefused) or isinstance(getattr(error, "os_error", None), AddressRefused):
            return True
        error = error.__cause__
    return False
