"""`/healthz`, `/readyz` and `/metrics`, for probes and scrapers. They aren't routed from outside.

Ready means «not worse than the other replicas». When a shared backend is away, all replicas stay ready: otherwise all of them
would be removed from the balancer, with everything that doesn't need this backend.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import telemetry
from shared.lifecycle import end_all
from shared.protocol.codec import json_encoder

CHECK_SECONDS: Final = 2
ASK_SECONDS: Final = 5.0
"""How often the shared backends are checked, even when balancers ask more often. Their state is only for metrics."""
STARTUP_SECONDS: Final = 15
"""How long a new replica waits for each backend to answer once, because the other replicas are connected already."""
PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""The three paths, for middleware that concerns only the paths of clients."""
PLAIN_PROBE: Final = ("/readyz", "GET", b"")
"""Path, method and query of a balancer's question."""
OK: Final = "ok"

HealthCheck = Callable[[], Awaitable[None]]
"""Returns when the check succeeds, raises when it fails. The error's text is shown to operators."""


def demand(holds: Callable[[], bool], otherwise: str) -> HealthCheck:
    """Return a check that fails with the text `otherwise` while `holds()` is false."""

    async def check() -> None:
        if not holds():
            raise RuntimeError(otherwise)

    return check


class Health:
    """The state for `/readyz`.

    `backends`: checks of backends that all replicas share, by name. `replica`: checks of this replica itself. `notes`: hints
    for operators.
    """

    def __init__(
        self,
        backends: Mapping[str, HealthCheck],
        replica: Mapping[str, HealthCheck] | None = None,
        notes: Callable[[], list[str]] = list,
    ) -> None:
        self._backends = dict(backends)
        self._replica = dict(replica or {})
        self._notes = notes
        self._missing = set(backends)
        self._give_up_at = time.monotonic() + STARTUP_SECONDS
        self._looking: asyncio.Task[dict[str, str]] | None = None
        self._ask_again_at = 0.0

    async def report(self, *, verbose: bool) -> tuple[bool, dict[str, object]]:
        """Return whether this replica is ready, and the reasons.

        It waits for the backends' checks only when `verbose` shows them.
        """
        # One after the other: these checks look at the process itself, and a task for each would cost more than all of them.
        results = {name: await _verdict(check) for name, check in self._replica.items()}
        looking = None
        if verbose or self._starting() or time.monotonic() >= self._ask_again_at:
            looking = self._look()
        if looking is not None and (verbose or self._starting()):
            await asyncio.wait([looking])
        if self._starting():
            results["startup"] = f"waiting for {', '.join(sorted(self._missing))}"
        ready = all(result == OK for result in results.values())
        telemetry.READY.set(ready)
        body: dict[str, object] = {"status": "ready" if ready else "unready", "checks": results}
        if verbose and looking is not None:
            body |= {"backends": looking.result(), "notes": self._notes()}
        return ready, body

    async def stop(self) -> None:
        """End a check of the backends that is under way, before their connections are closed."""
        if self._looking is not None:
            await end_all([self._looking])

    def _starting(self) -> bool:
        return bool(self._missing) and time.monotonic() < self._give_up_at

    def _look(self) -> asyncio.Task[dict[str, str]]:
        """Check the backends, unless a check is under way."""
        if self._looking is None or self._looking.done():
            self._ask_again_at = time.monotonic() + ASK_SECONDS
            self._looking = asyncio.create_task(self._ask_backends())
        return self._looking

    async def _ask_backends(self) -> dict[str, str]:
        results = dict(zip(self._backends, await asyncio.gather(*map(_verdict, self._backends.values())), strict=True))
        for name, result in results.items():
            telemetry.BACKEND_UP.labels(name).set(result == OK)
            if result == OK:
                self._missing.discard(name)
        return results


class ReadyProbe:
    """Answers a plain `GET /readyz` before anything else of an app: balancers ask every second or two, of every replica."""

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or (scope["path"], scope["method"], scope["query_string"]) != PLAIN_PROBE:
            await self._app(scope, receive, send)
            return
        ready, report = await self._health.report(verbose=False)
        body = json_encoder.encode(report)
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200 if ready else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def add_health(app: FastAPI, health: Health) -> None:
    """Add the three paths. `serve` finds `health` in the app's state, to stop it."""
    app.state.health = health

    async def healthz(_request: Request) -> JSONResponse:
        """Answer 200 while the event loop runs.

        Backends are not checked, because a restart of this process would not bring them back.
        """
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> JSONResponse:
        """Answer 200 when this replica is not worse than the others. `?verbose` shows the shared backends too."""
        ready, body = await health.report(verbose="verbose" in request.query_params)
        return JSONResponse(body, 200 if ready else 503)

    async def metrics(_request: Request) -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    # Routes of Starlette: balancers ask every second, and need nothing of what FastAPI does for a request.
    for path, answer in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_route(path, answer)


async def _verdict(check: HealthCheck) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:
        return f"failed: {error}" if isinstance(error, RuntimeError) else f"failed: {type(error).__name__}: {error}"
    return OK
