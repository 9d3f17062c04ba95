"""`/healthz`, `/readyz` and `/metrics`: for probes and scrapers, not routed from outside.

Ready means «no worse than my peers». A backend that all replicas share and that is away makes none of them worse: unready,
all of them would be taken away, and with them what needs no such backend.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared import telemetry

CHECK_SECONDS: Final = 2
ASK_SECONDS: Final = 5.0
"""How often the shared backends are asked when balancers ask more often: their state changes no verdict, it is for metrics."""
STARTUP_SECONDS: Final = 15
"""For so long a new replica waits for each backend to answer once; its peers have their connections already."""
PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""The three paths, for middleware that concerns only the paths of clients."""
OK: Final = "ok"

HealthCheck = Callable[[], Awaitable[None]]
"""Returns when all is well, raises when it isn't. The error's words are shown to operators."""


def demand(holds: Callable[[], bool], otherwise: str) -> HealthCheck:
    """A check that fails with these words while the condition doesn't hold."""

    async def check() -> None:
        if not holds():
            raise RuntimeError(otherwise)

    return check


class Health:
    """What `/readyz` says. `backends`: shared by all replicas, by name. `replica`: what makes this one worse than its peers.

    `notes`: what operators should know all the same.
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
        """Whether to send traffic here, and why not. Waits for backends only where they are to be shown."""
        results = dict(zip(self._replica, await asyncio.gather(*map(_verdict, self._replica.values())), strict=True))
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

    def _starting(self) -> bool:
        return bool(self._missing) and time.monotonic() < self._give_up_at

    def _look(self) -> asyncio.Task[dict[str, str]]:
        """Ask the backends, unless they are being asked."""
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


def add_health(app: FastAPI, health: Health) -> None:
    """Add the three paths."""

    async def healthz(_request: Request) -> JSONResponse:
        """The process runs its event loop. Says nothing about backends: a restart of this process would not bring them back."""
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> JSONResponse:
        """Send traffic: this replica is no worse than its peers. `?verbose` shows the shared backends, too."""
        ready, body = await health.report(verbose="verbose" in request.query_params)
        return JSONResponse(body, 200 if ready else 503)

    async def metrics(_request: Request) -> Response:
        """Prometheus text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    # Routes of Starlette: balancers ask every second, and need none of what FastAPI does for a request.
    for path, answer in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_route(path, answer)


async def _verdict(check: HealthCheck) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:
        return f"failed: {error}" if isinstance(error, RuntimeError) else f"failed: {type(error).__name__}: {error}"
    return OK
