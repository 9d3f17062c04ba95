"""Every body of the OpenAPI document with values that stores and parsers choke on: refused or accepted, never a failure."""

import re
import uuid
from typing import Any

import pytest

from tests.support.people import People
from tools.docs import openapi

DOCUMENT = openapi.document()
HOSTILE = {
    "NUL": r'"a\u0000b"',
    "a lone surrogate": r'"\ud800"',
    "blanks": r'"\u200b\u3164"',
    "a huge number": "1" + "0" * 400,
    "an infinite number": "1e400",
    "no number": "NaN",
    "a big integer": str(2**64),
    "deep nesting": "[" * 3_000 + "]" * 3_000,
    "deep objects": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "a long text": '"' + "x" * 60_000 + '"',
    "null": "null",
}


def calls() -> list[tuple[str, str, list[str]]]:
    """(method, path, fields of the body) of every call with a JSON body."""
    found = []
    for path, verbs in DOCUMENT["paths"].items():
        for verb, call in verbs.items():
            schema = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is not None:
                found.append((verb.upper(), path, fields_of(schema)))
    return found


def fields_of(schema: dict[str, Any]) -> list[str]:
    """The fields of an object, or of the objects that it may be."""
    if "$ref" in schema:
        return fields_of(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    inner = [fields_of(each) for each in [*schema.get("anyOf", []), *schema.get("allOf", [])]]
    return [*schema.get("properties", {}), *(field for fields in inner for field in fields)]


@pytest.mark.parametrize(
    ("method", "path", "fields"), calls(), ids=lambda value: str(value) if isinstance(value, str) else ""
)
async def test_a_hostile_body_is_no_failure(people: People, method: str, path: str, fields: list[str]) -> None:
    person = people.make("hostile")
    target = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
    bodies = dict(HOSTILE)
    bodies |= {f"{field}: {name}": f'{{"{field}": {value}}}' for field in fields for name, value in HOSTILE.items()}
    for number, (name, body) in enumerate(bodies.items()):
        if number % 90 == 89:
            person = people.make("hostile")
        headers = {"Content-Type": "application/json"}
        response = await person.call(method, target, content=body.encode(), headers=headers)
        assert response.status_code < 500, f"{name}: {response.status_code} {response.text[:300]}"
        assert response.status_code != 429, name


async def test_there_are_bodies() -> None:
    assert len(calls()) >= 8
