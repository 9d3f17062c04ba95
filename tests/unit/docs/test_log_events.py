"""docs/logs.md lists every log event with its level and fields, and the names follow one scheme."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tools.stack.home import ROOT

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
ROW = re.compile(r"^\| `([^`]+)` \| (\w+) \| [^|]+ \| ([^|]*) \| [^|]+ \|$", re.MULTILINE)
NAME = re.compile(r"[a-z]+(?:_[a-z]+)*\.[a-z]+(?:_[a-z]+)*")


class Line(NamedTuple):
    """One call of a logger: the event, its level, and the names of its fields."""

    event: str
    level: str
    fields: frozenset[str]


def logged() -> Iterator[Line]:
    """Every call of a structlog logger in the services."""
    for path in [*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log"), level), [ast.Constant(str(event))]) if level in LEVELS:
                    names = {keyword.arg for keyword in node.keywords if keyword.arg is not None} - {"exc_info"}
                    ids = {"message_id", "user_id", "target_id"} if any(k.arg is None for k in node.keywords) else set()
                    yield Line(event, "error" if level == "exception" else level, frozenset(names | ids))
                case ast.Call(ast.Attribute(ast.Name("log"), level)) if level in LEVELS:
                    pytest.fail(f"{path}:{node.lineno}: the event of a log line is one text that can be searched for")


def listed() -> dict[str, tuple[str, frozenset[str]]]:
    """Event → (levels, fields), of the document."""
    text = (ROOT / "docs/logs.md").read_text(encoding="utf-8")
    return {event: (level, frozenset(re.findall(r"`(\w+)`", fields))) for event, level, fields in ROW.findall(text)}


def test_every_event_is_listed_with_level_and_fields() -> None:
    fields: dict[str, frozenset[str]] = {}
    levels: dict[str, str] = {}
    for line in logged():
        assert levels.setdefault(line.event, line.level) == line.level, f"{line.event} has two levels"
        fields[line.event] = fields.get(line.event, frozenset()) | line.fields
    assert len(fields) > 80
    assert {event: (level, fields[event]) for event, level in levels.items()} == listed()


def test_the_list_is_sorted() -> None:
    assert list(listed()) == sorted(listed())


def test_names_are_a_subject_and_what_became_of_it() -> None:
    assert [event for event in listed() if not NAME.fullmatch(event)] == []


@pytest.mark.parametrize("ending", ["unavailable", "dead", "poison", "lost_link", "put_off", "broken"])
def test_one_word_for_one_outcome(ending: str) -> None:
    assert [event for event in listed() if event.endswith(ending)] == []
