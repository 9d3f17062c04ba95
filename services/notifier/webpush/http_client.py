"""HTTP to push services. The URLs come from users: no redirects, no proxies, no cookies, public addresses only."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self

import aiohttp
from yarl import URL

from services.notifier.delivery.outcome import Disposition, Outcome, Reason, outcome_of
from services.notifier.webpush.addresses import AddressRefused, public_socket

DETAIL_BYTES: Final = 200
"""How much of the body of a refusal is read, for the log."""
IDLE_SECONDS: Final = 30
NAMES_SECONDS: Final = 60
"""How long the addresses of a name are cached: look-ups share six threads."""

SocketFactory = Callable[[tuple[Any, ...]], socket.socket]


class WebPushClient:
    """Two pools of connections: one that checks each address, and one for origins that the operator named."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._checked = _session(public_socket)
        self._trusted = _session(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await asyncio.gather(self._checked.close(), self._trusted.close())

    async def post(self, url: URL, *, trusted: bool, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Make one request. What the network or the service does wrong is in the outcome, never raised."""
        session = self._trusted if trusted else self._checked
        try:
            async with session.post(
                url, data=body, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                detail = "" if response.ok else repr(await response.content.read(DETAIL_BYTES))
                return outcome_of(response.status, response.headers.get("Retry-After"), datetime.now(UTC), detail)
        except TimeoutError:
            return Outcome(Disposition.RETRY, Reason.TIMEOUT)
        except aiohttp.ClientConnectorDNSError as error:
            return Outcome(Disposition.RETRY, Reason.UNRESOLVED, detail=str(error))
        except (aiohttp.ClientError, OSError, ssl.CertificateError) as error:
            if _refused(error):
                return Outcome(Disposition.DROPPED, Reason.ADDRESS_REFUSED, detail=str(error))
            return Outcome(Disposition.RETRY, Reason.UNREACHABLE, detail=repr(error))


def _session(socket_factory: SocketFactory | None) -> aiohttp.ClientSession:
    # The service queues bound the number of connections. Names may be cached, for the address is checked at the socket.
    connector = aiohttp.TCPConnector(
        limit=0, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=NAMES_SECONDS, socket_factory=socket_factory
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
    )


def _refused(error: BaseException | None) -> bool:
    """True when `error`, or what it came from, is our refusal of the address."""
    while error is not None:
        if isinstance(error, AddressRefused) or isinstance(getattr(error, "os_error", None), AddressRefused):
            return True
        error = error.__cause__
    return False
