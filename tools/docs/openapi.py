"""The OpenAPI 3.1 document of the REST interface: the services' routes in one document, by their tags."""

from importlib import import_module
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.rest.errors import ErrorBody

SERVICES = ("messaging", "presence", "notifier")


def document() -> dict[str, Any]:
    """The whole document. Each service's `http` module gives its `router`."""
    app = FastAPI(responses={"default": {"model": ErrorBody, "description": "The error object"}})
    for service in SERVICES:
        app.include_router(import_module(f"services.{service}.http").router, tags=[service])
    return get_openapi(
        title="Chat over REST",
        version="1.0.0",
        openapi_version="3.1.0",
        description="JSON, the same JWT as on the socket in `Authorization: Bearer`, the same error object.",
        routes=app.routes,
        servers=[{"url": "http://127.0.0.1:8080", "description": "The local stack (`make run`)"}],
    )
