"""Checks a response against an OpenAPI document: its status, body and headers must be declared."""

from copy import deepcopy
from typing import Any, Final

import schemathesis
from schemathesis.specs.openapi import checks

HTTPS_OWN: Final = {
    "allow",
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
    "vary",
}
"""Headers that every response may have (RFC 9110, 9112): documents don't declare them."""


def declared_headers(_context: Any, response: Any, case: Any) -> None:
    """Check that all headers are declared for the response's status."""
    declared = case.operation.definition.raw["responses"].get(str(response.status_code), {}).get("headers", {})
    sent = {name.lower() for name in response.headers if not name.lower().startswith("access-control-")}
    undeclared = sent - HTTPS_OWN - {name.lower() for name in declared}
    assert not undeclared, f"{case.operation.label} {response.status_code} has undeclared headers: {sorted(undeclared)}"


CHECKS: Final = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    declared_headers,
]


def operations(document: dict[str, Any]) -> dict[str, Any]:
    """Return the calls of a document by `METHOD path`, without `default`, which would describe every response."""
    document = deepcopy(document)
    for verbs in document["paths"].values():
        for call in verbs.values():
            del call["responses"]["default"]
    schema: Any = schemathesis.openapi.from_dict(document)
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}
