"""HTTP client for push services.

The URLs come from users, so it allows no redirects, no proxies, no cookies, and only public addresses.
"""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Self

import aiohttp
from yarl import URL

from services.notifier.delivery.outcome import Disposition, Outcome, Reason, outcome_of
from shared.outbound.sessions import open_session, was_refused

DETAIL_BYTES: Final = 200
"""How much of the body of a refusal is read, for the log."""


class WebPushClient:
    """Two pools of connections: one that checks each address, and one for origins that the operator named."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._checked = open_session(public_only=True)
        self._trusted = open_session(public_only=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await asyncio.gather(self._checked.close(), self._trusted.close())

    async def post(self, url: URL, *, trusted: bool, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Make one request. Errors of the network or the service are in the outcome, never raised."""
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
            if was_refused(error):
                return Outcome(Disposition.DROPPED, Reason.ADDRESS_REFUSED, detail=str(error))
            return Outcome(Disposition.RETRY, Reason.UNREACHABLE, detail=repr(error))
