"""Each docstring of the protocol shows a real example: it decodes as the struct that it documents."""

import json
import re
from typing import Any

import msgspec
import pytest

from shared.protocol import client, server
from shared.protocol.errors import ErrorEvent

DOCUMENTED = [*client.FRAMES.values(), *server.EVENTS.values(), ErrorEvent]


def example_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON object of the docstring's `Example:`."""
    match = re.search(r"Example: `(.*)`", struct.__doc__ or "", re.DOTALL)
    assert match, f"{struct.__name__} shows no example"
    return dict(json.loads(re.sub(r"\s+", " ", match[1])))


@pytest.mark.parametrize("struct", DOCUMENTED, ids=lambda struct: struct.__name__)
def test_example_decodes_as_its_struct(struct: type[msgspec.Struct]) -> None:
    example = example_of(struct)
    assert example["type"] == struct.__struct_config__.tag
    msgspec.convert(example, struct)


@pytest.mark.parametrize("struct", DOCUMENTED, ids=lambda struct: struct.__name__)
def test_example_has_every_field_and_no_other(struct: type[msgspec.Struct]) -> None:
    example = example_of(struct)
    encoded = msgspec.to_builtins(msgspec.convert(example, struct))
    example.pop("cursor", None)
    if struct in client.FRAMES.values():
        assert example.keys() <= encoded.keys()
    else:
        assert json.loads(json.dumps(encoded)) == example


@pytest.mark.parametrize("event", server.DURABLE, ids=lambda struct: struct.__name__)
def test_durable_events_show_their_cursor(event: type[msgspec.Struct]) -> None:
    assert isinstance(example_of(event)["cursor"], str)


@pytest.mark.parametrize("event", server.TRANSIENT, ids=lambda struct: struct.__name__)
def test_transient_events_have_none(event: type[msgspec.Struct]) -> None:
    assert "cursor" not in example_of(event)
