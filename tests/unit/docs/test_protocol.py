"""docs/protocol.md names everything that the code declares: events with fields, REST paths, error and close codes, features."""

import json
import re
from typing import Any

import msgspec
import pytest

from shared.protocol import client, server
from shared.protocol.closing import CLIENT_ADVICE
from shared.protocol.errors import ADVICE, ErrorCode
from shared.protocol.features import FEATURES
from tools.stack.home import ROOT

TEXT = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
PARAGRAPHS = [f"\n{paragraph}" for paragraph in TEXT.split("\n\n")]
HOLE = re.compile(r"\{[^}]*\}")
EVENTS: dict[str, Any] = (
    client.FRAMES | server.EVENTS | {f"server {name}": event for name, event in server.EVENTS.items()}
)


def fields_of(event: type[msgspec.Struct]) -> set[str]:
    """Names in the JSON of an event's payload."""
    payload = {field.name: field.type for field in msgspec.structs.fields(event)}["payload"]
    return set(payload.__struct_encode_fields__)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_each_event_is_there_with_all_fields(name: str) -> None:
    kind = name.removeprefix("server ")
    told = "\n".join(
        paragraph for paragraph in PARAGRAPHS if f"**`{kind}`**" in paragraph or f"| `{kind}` |" in paragraph
    )
    assert told
    missing = {field for field in fields_of(EVENTS[name]) if not re.search(rf"[`{{ ,]{field}\b", told)}
    assert missing == set()


@pytest.mark.parametrize("document", ["openapi", "admin-openapi"])
def test_each_path_is_there(document: str) -> None:
    declared = json.loads((ROOT / f"docs/api/{document}.json").read_text(encoding="utf-8"))["paths"]
    assert len(declared) > 10
    named = HOLE.sub("{}", TEXT)
    assert [path for path in declared if f"{HOLE.sub('{}', path)}" not in named] == []


@pytest.mark.parametrize("code", ErrorCode)
def test_each_error_code_says_whether_a_retry_helps(code: ErrorCode) -> None:
    row = re.search(rf"^\| `{code}` \|.*\| (yes|no) \|$", TEXT, re.MULTILINE)
    assert row is not None
    assert (row[1] == "yes") is ADVICE[code].retryable


def test_each_close_code_has_the_meaning_and_the_advice_of_the_code() -> None:
    rows = [f"| {int(code)} | {meaning} | {advice} |" for code, (meaning, advice) in CLIENT_ADVICE.items()]
    assert [row for row in rows if f"\n{row}\n" not in TEXT] == []


def test_each_feature_is_there() -> None:
    told = next(paragraph for paragraph in PARAGRAPHS if paragraph.startswith("\n`features` names"))
    assert [feature for feature in FEATURES if f"`{feature}`" not in told] == []
