"""A request with a wrong method is answered with the methods of its path (RFC 9110, section 15.5.6)."""

import re
import uuid
from functools import cache
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.rest.errors import add_error_handlers
from tools.docs import admin_openapi, openapi


@cache
def application(module: ModuleType) -> FastAPI:
    """All routes of a document."""
    app: FastAPI = module.application()
    add_error_handlers(app)
    return app


def paths() -> list[Any]:
    """(document, path, its methods) for every path of the OpenAPI documents."""
    return [
        pytest.param(module, path, {verb.upper() for verb in verbs}, id=path)
        for module in (openapi, admin_openapi)
        for path, verbs in module.document()["paths"].items()
    ]


@pytest.mark.parametrize(("module", "path", "methods"), paths())
async def test_the_answer_names_all_methods_of_the_path(module: ModuleType, path: str, methods: set[str]) -> None:
    transport = httpx.ASGITransport(application(module))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.request("TRACE", re.sub(r"\{\w+\}", str(uuid.UUID(int=1)), path))
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == methods
