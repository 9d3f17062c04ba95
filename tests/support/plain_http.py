"""HTTP clients of servers on this machine."""

import ssl
from typing import Any, Final

import httpx

NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""An empty context: plain HTTP needs no certificates, which httpx would read for each client in 20 ms of CPU."""


def plain_http(base_url: str, **options: Any) -> httpx.AsyncClient:
    """Return a client of the server at `base_url`, which speaks HTTP without TLS; `options` are those of httpx."""
    return httpx.AsyncClient(base_url=base_url, verify=NO_AUTHORITIES, **options)
