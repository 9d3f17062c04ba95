"""A request with a wrong method is answered with the methods of its path (RFC 9110, section 15.5.6)."""

import re
import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.rest.errors import add_error_handlers
from tools.docs import admin_openapi, openapi


def paths() -> list[Any]:
    """(app, path, its methods) for every path of the OpenAPI documents."""
    return [
        pytest.param(module.application(), path, {verb.upper() for verb in verbs}, id=path)
        for module in (openapi, admin_openapi)
        for path, verbs in module.document()["paths"].items()
    ]


@pytest.mark.parametrize(("app", "path", "methods"), paths())
async def test_the_answer_names_all_methods_of_the_path(app: FastAPI, path: str, methods: set[str]) -> None:
    add_error_handlers(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.request("TRACE", re.sub(r"\{\w+\}", str(uuid.UUID(int=1)), path))
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == methods
