"""Posts events to one endpoint."""

import ssl
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final, Self

import aiohttp
from yarl import URL

from services.webhooks import metrics
from shared.outbound.sessions import is_explicit, open_session, was_refused
from shared.protocol.codec import instant
from shared.webhooks.signatures import Signer

DETAIL_BYTES: Final = 200
"""Bytes of a refusal's body that are read, for the log and `chatctl webhooks list`."""


class Refused(Exception):
    """The endpoint didn't accept an event. `reason` is for the metrics, the text for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Sender:
    """Posts to `endpoint`. An `https` name must have public addresses, unless its host is in `private_hosts`."""

    def __init__(
        self, endpoint: str, signer: Signer, *, private_hosts: Collection[str], timeout_seconds: float, connections: int
    ) -> None:
        self._url = URL(endpoint)
        self._signer = signer
        self._public_only = not is_explicit(self._url) and self._url.host not in private_hosts
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections = connections
        self._exits = AsyncExitStack()
        self.name = self._url.authority
        """The endpoint's name in metrics: the host, and the port if it isn't the default one."""

    async def __aenter__(self) -> Self:
        session = open_session(public_only=self._public_only, connections=self._connections)
        self._session = await self._exits.enter_async_context(session)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def post(self, event_id: str, event_type: str, at: datetime, data: str) -> None:
        """Post one event. Raises Refused for any answer other than 2xx."""
        body = f'{{"type":"{event_type}","timestamp":"{instant(at)}","data":{data}}}'
        headers = self._signer.headers(event_id, datetime.now(UTC), body)
        started = time.monotonic()
        try:
            async with self._session.post(
                self._url, data=body.encode(), headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                if 200 <= response.status < 300:
                    return
                detail = await response.content.read(DETAIL_BYTES)
                raise Refused(f"status {response.status}", repr(detail) if detail else "")
        except TimeoutError:
            raise Refused("timeout", f"no answer in {self._timeout.total} s") from None
        except (aiohttp.ClientError, OSError, ssl.CertificateError) as error:
            raise Refused("address refused" if was_refused(error) else "unreachable", repr(error)) from None
        finally:
            metrics.POST_SECONDS.labels(self.name).observe(time.monotonic() - started)
