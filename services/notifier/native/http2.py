"""HTTP/2 client for FCM and APNs: one pool of connections to each. Failures are returned as outcomes."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from services.notifier.delivery.outcome import Disposition, Outcome, Reason

DETAIL_CHARACTERS: Final = 200
"""How much of the body of a refusal is logged."""
CONNECTIONS: Final = 4
"""Connections to one service. Few are enough, because an HTTP/2 connection carries many concurrent requests."""

Interpret = Callable[[httpx.Response], Outcome]


class NativeClient:
    """Posts JSON by HTTP/2, which APNs requires and FCM supports.

    The operator names the origins, so their addresses are not checked. Trusts the system's certificates, or those that
    the environment variable `SSL_CERT_FILE` names.
    """

    def __init__(self, origin: str, timeout_seconds: float) -> None:
        self._client = httpx.AsyncClient(
            base_url=origin,
            http1=False,
            http2=True,
            timeout=timeout_seconds,
            trust_env=False,
            follow_redirects=False,
            verify=ssl.create_default_context(),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )
        self._timeout_seconds = timeout_seconds

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, interpret: Interpret) -> Outcome:
        """Make one request. Errors of the network or the service are in the outcome, never raised."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(path, headers=dict(headers), content=body)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(Disposition.RETRY, Reason.TIMEOUT)
        except httpx.HTTPError as error:
            return Outcome(Disposition.RETRY, Reason.UNREACHABLE, detail=repr(error))
        return interpret(response)


def detail_of(response: httpx.Response) -> str:
    """Return the beginning of a refusal's body, for the log."""
    return f"{response.status_code} {response.text[:DETAIL_CHARACTERS]!r}"


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object in a response, or an empty one."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
