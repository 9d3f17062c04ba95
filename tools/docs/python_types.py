"""Python types of what the server sends, from the AsyncAPI document: what the Python client is typed with."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tools.docs.schema_types import Language, name_of, type_of

_HEADER: Final = '''\
"""The shapes of `chat.v1` that the server sends, generated from its declarations by `make docs`.

Ids are UUIDs in their hyphenated form, times RFC 3339 UTC with milliseconds. Servers may add fields: they are kept, and should be
ignored. After a gap the client makes events of messages that it read by REST: these have no `cursor`, and no `unread`.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict
'''
_ABSENT_AFTER_A_GAP: Final = {"MessageNewPayload": "unread"}
"""Shape → a field that the client's own events lack, which it makes of messages that it read by REST. So does the cursor."""
_WIDTH: Final = 120


def text(events: dict[str, Any]) -> str:
    """The module: a class for each event and each shape in one, and `ServerEvent`, the union of all events."""
    shapes, operations = events["components"]["schemas"], events["operations"]
    sent = [name for name in events["components"]["messages"] if f"send{name}" in operations]
    parts = [_declaration(name, shapes[name]) for name in _reachable(sent, shapes)]
    union = "\n    | ".join(sent)
    about = '"""Any event of the server. A `type` that this version does not know is possible, too."""'
    return "\n\n".join([_HEADER, *parts, f"ServerEvent = (\n    {union}\n)\n{about}\n"])


def _reachable(names: list[str], shapes: dict[str, Any]) -> Iterator[str]:
    """The shapes that these consist of, each after those that it needs."""
    found: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in found:
            return
        found.add(name)
        for inner in _references(shapes[name]):
            yield from visit(inner)
        yield name

    for name in names:
        yield from visit(name)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield name_of(schema)
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _declaration(name: str, shape: dict[str, Any]) -> str:
    about = _docstring(shape["description"])
    if "properties" not in shape:
        return f"{name} = {type_of(shape, _LANGUAGE)}\n{about}\n"
    required = set(shape.get("required", [])) - {"cursor", _ABSENT_AFTER_A_GAP.get(name)}
    fields = "".join(
        f"    {field}: {_field(schema, field in required)}\n" for field, schema in shape["properties"].items()
    )
    return f"class {name}(TypedDict):\n{textwrap.indent(about, '    ')}\n\n{fields}"


def _docstring(about: str) -> str:
    """A docstring, its first sentence on a line of its own when it is too long for one line."""
    about = " ".join(about.split())
    if len(about) <= _WIDTH:
        return f'"""{about}"""'
    first, _, rest = about.partition(". ")
    return f'"""{first}.\n\n{textwrap.fill(rest, _WIDTH)}\n"""'


def _field(schema: dict[str, Any], required: bool) -> str:
    return type_of(schema, _LANGUAGE) if required else f"NotRequired[{type_of(schema, _LANGUAGE)}]"


def _literals(values: Sequence[object]) -> str:
    line = f"Literal[{', '.join(map(json.dumps, values))}]"
    return (
        line if len(line) <= _WIDTH else "Literal[\n" + "".join(f"    {json.dumps(value)},\n" for value in values) + "]"
    )


_LANGUAGE: Final = Language(
    primitives={"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"},
    anything="Any",
    literals=_literals,
    array=lambda item: f"list[{item}]",
    dictionary=lambda value: f"dict[str, {value}]",
)
