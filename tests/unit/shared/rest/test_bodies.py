"""Every field of every request body in the OpenAPI documents takes values of its own JSON type only."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args

import httpx
import pytest
from fastapi import FastAPI

from services.admin.authentication import CallingService
from shared.auth import Principal
from shared.rest import CurrentUser
from shared.rest.errors import add_error_handlers
from tools.docs import admin_openapi, openapi

WRONG: Final[dict[str, list[str]]] = {
    "integer": ['"5"', "true", "5.5", "[]", "{}"],
    "number": ['"5"', "true", "[]", "{}"],
    "string": ["5", "true", "[]", "{}"],
    "boolean": ['"true"', "1", "0", "[]"],
    "object": ['"{}"', "5", "[]"],
    "array": ['"[]"', "5", "{}"],
}
"""Type → JSON of other types, some of which look like it."""
TIMES: Final = ["1700000000", '"1700000000"', '"-1700000000"', '"tomorrow"', "true"]
INDEX: Final = "0"
"""The place of a list's item in a path."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a call's body: its path in the body, and what the document says about it."""

    document: str
    call: str
    path: tuple[str, ...]
    schema: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.call} {'.'.join(self.path)}"

    def body(self, value: str) -> str:
        """Return a body with nothing but this field."""
        for name in reversed(self.path):
            value = f"[{value}]" if name == INDEX else f"{{{json.dumps(name)}: {value}}}"
        return value


def fields() -> Iterator[Field]:
    """All fields of all JSON bodies, at every depth."""
    for name, described in (("openapi", openapi.document()), ("admin", admin_openapi.document())):
        for path, verbs in described["paths"].items():
            for verb, call in verbs.items():
                content = call.get("requestBody", {}).get("content", {})
                if "application/json" in content:
                    schema = content["application/json"]["schema"]
                    yield from _below(Field(name, f"{verb.upper()} {path}", (), schema), described)


def _below(field: Field, described: dict[str, Any]) -> Iterator[Field]:
    def at(schema: dict[str, Any], *path: str) -> Iterator[Field]:
        return _below(Field(field.document, field.call, (*field.path, *path), schema), described)

    schema = field.schema
    if "$ref" in schema:
        yield from at(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return
    choices = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    if choices:
        assert len(choices) == 1, f"{field}: this test knows no unions"
        yield from at(choices[0])
        return
    yield field
    for name, inner in schema.get("properties", {}).items():
        yield from at(inner, name)
    if "items" in schema:
        yield from at(schema["items"], INDEX)


APPS: Final = {"openapi": openapi.application(), "admin": admin_openapi.application()}
FIELDS: Final = list(fields())


def authenticated(app: FastAPI) -> FastAPI:
    """Let everybody in, and answer faults as services do."""
    for subject in (CurrentUser, CallingService):
        depends = get_args(subject)[1]
        app.dependency_overrides[depends.dependency] = lambda: Principal(str(uuid.UUID(int=1)), 0, 0)
    add_error_handlers(app)
    return app


async def faults(field: Field, value: str) -> list[str]:
    """Return what is wrong with this field of a body, in the words of the answer."""
    transport = httpx.ASGITransport(authenticated(APPS[field.document]), raise_app_exceptions=False)
    verb, _, path = field.call.partition(" ")
    path = re.sub(r"\{\w+\}", str(uuid.UUID(int=2)), path)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.request(verb, path, content=field.body(value), headers=headers)
    if answer.status_code != 422:
        return []
    place = ".".join(("body", *field.path)) + ": "
    return [text for text in answer.json()["error"]["message"].split("; ") if text.startswith(place)]


@pytest.mark.parametrize("field", FIELDS, ids=str)
async def test_a_field_takes_its_own_type_only(field: Field) -> None:
    wrong = TIMES if field.schema.get("format") == "date-time" else WRONG[field.schema["type"]]
    for value in wrong:
        assert await faults(field, value), f"{field.body(value)} was taken"


async def test_a_whole_number_may_have_a_point() -> None:
    numbers = [field for field in FIELDS if field.schema["type"] == "integer"]
    assert len(numbers) >= 4
    for field in numbers:
        assert not await faults(field, "5.0"), str(field)


def test_limits_have_the_names_of_json_schema() -> None:
    assert [str(field) for field in FIELDS if {"ge", "gt", "le", "lt"} & field.schema.keys()] == []


def test_there_are_bodies() -> None:
    assert len({field.call for field in FIELDS}) >= 14
