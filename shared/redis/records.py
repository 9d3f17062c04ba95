"""Fills the layout of `protocol.relay`'s structs into Lua scripts: msgpack arrays with the fields in the structs' order.

A script writes `relay.ConnectionEvent{connection_id = connection, text = text}`, which becomes `{connection, text}`,
and `known[relay.Downlink.connection_events]`, which becomes `known[3]`. So the order of fields is declared in one place, and the
script that runs is the same as one written by hand.
"""

import re
from collections.abc import Iterator

import msgspec

from shared.protocol import relay

_RECORD = re.compile(r"\brelay\.(\w+)\{")
_PLACE = re.compile(r"\brelay\.(\w+)\.(\w+)\b")
_FIELD = re.compile(r"\s*(\w+)\s*=\s*(.+?)\s*", re.DOTALL)


def fill_records(text: str) -> str:
    """Replace records and fields. Raises ValueError for a struct or field that isn't declared, and for a missing field."""
    while (found := _RECORD.search(text)) is not None:
        end = _closing(text, found.end())
        fields = dict(_fields(text[found.end() : end]))
        text = f"{text[: found.start()]}{_array(_struct(found[1]), fields)}{text[end + 1 :]}"
    return _PLACE.sub(lambda match: str(_place(_struct(match[1]), match[2])), text)


def _struct(name: str) -> type[relay.Relayed]:
    struct = getattr(relay, name, None)
    if not (isinstance(struct, type) and issubclass(struct, relay.Relayed)):
        raise ValueError(f"protocol.relay declares no struct {name}")  # noqa: TRY004 - the script is wrong
    return struct


def _place(struct: type[relay.Relayed], field: str) -> int:
    if field not in struct.__struct_fields__:
        raise ValueError(f"relay.{struct.__name__} has no field {field}")
    return struct.__struct_fields__.index(field) + 1


def _closing(text: str, start: int) -> int:
    """Return the position of the brace that closes the one before `start`."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
    raise ValueError("a record of a script has no end")


def _fields(inner: str) -> Iterator[tuple[str, str]]:
    """Yield (field, expression) of each part between commas that aren't in brackets."""
    depth, begin = 0, 0
    for position, character in enumerate([*inner, ","]):
        depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            found = _FIELD.fullmatch(inner[begin:position])
            if found is None:
                raise ValueError(f"«{inner[begin:position]}» is no field of a record")
            yield found[1], found[2]
            begin = position + 1


def _array(struct: type[relay.Relayed], fields: dict[str, str]) -> str:
    """Return the Lua array of a record. Defaults fill gaps, and are left out after the last given field."""
    last = max(_place(struct, field) for field in fields)
    values = []
    for field in msgspec.structs.fields(struct)[:last]:
        value = fields.get(field.name)
        if value is None:
            value = _default(field)
        values.append(value)
    return "{" + ", ".join(values) + "}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    literal = {"": "''", 0: "0"}.get(default) if isinstance(default, str | int) else "{}" if default == [] else None
    if literal is None:
        raise ValueError(f"the field {field.name} has no default that a script could write")
    return literal
