"""`/healthz`, `/readyz` and `/metrics`: for probes and scrapers, not routed from outside."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

CHECK_SECONDS = 2
PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""The three paths, for middleware that concerns only the paths of clients."""

HealthCheck = Callable[[], Awaitable[None]]
"""Returns when its backend answers, raises when it doesn't."""


def add_health(app: FastAPI, checks: dict[str, HealthCheck]) -> None:
    """Add the three paths; `checks` are by backend name."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """The process runs its event loop. Says nothing about backends: a restart of this process would not bring them back."""
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """Every backend answers: send traffic."""
        results = await asyncio.gather(*(_verdict(check) for check in checks.values()))
        ready = all(result == "ok" for result in results)
        body = {"status": "ready" if ready else "unready", "checks": dict(zip(checks, results, strict=True))}
        return JSONResponse(body, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _verdict(check: HealthCheck) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:
        return f"failed: {type(error).__name__}"
    return "ok"
