"""What the hand-written documents say of the code's places, commands and queues is so."""

import re
from collections.abc import Iterator

import pytest

from shared.protocol.topology import QUEUES, command_queues
from tools.stack.home import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")])
PLACE = re.compile(r"`((?:services|shared|tools|tests|clients|deploy|examples|migrations|docs)/[\w/.-]+)`")
COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)")
COMMAND_QUEUE = re.compile(r"`(messaging\.commands[\w.]*)`")
ROW = re.compile(r"^\| where [^|]+\|(.+)\|$", re.MULTILINE)
NAMED_TOGETHER = re.compile(r"`([\w/]+\.py)`, `((?:\w+\.)?\w+)`(?: and `(\w+)`)?")


def found(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(document, match) of a pattern with one group."""
    for path in DOCUMENTS:
        if path.name != "CHANGELOG.md":
            for match in pattern.finditer(path.read_text(encoding="utf-8")):
                yield path.name, match[1]


def test_each_place_exists() -> None:
    places = list(found(PLACE))
    assert len(places) > 30
    assert [(document, place) for document, place in places if not (ROOT / place).exists()] == []


def test_each_command_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = list(found(COMMAND))
    assert len(commands) > 20
    assert [(document, command) for document, command in commands if command not in targets] == []


def test_where_is_names_functions_that_are_there() -> None:
    rows = ROW.findall((ROOT / "docs/development.md").read_text(encoding="utf-8"))
    named = [match for row in rows for match in NAMED_TOGETHER.findall(row)]
    assert len(named) >= 5
    for path, *names in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        for name in filter(None, names):
            assert re.search(rf"(def|class) {name.rpartition('.')[2]}\b", code), f"{path} has no {name}"


@pytest.mark.parametrize("queue", [queue.name for queue in QUEUES if queue.name.endswith(".dead")])
def test_operations_names_each_queue_of_dead_letters(queue: str) -> None:
    assert f"`{queue}`" in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_each_queue_of_commands_exists() -> None:
    named = list(found(COMMAND_QUEUE))
    assert len(named) > 5
    known = {queue.name for queue in (*QUEUES, *command_queues(9))}
    assert [(document, queue) for document, queue in named if queue not in known] == []


STATUS = re.compile(r"^# .+\n\nStatus: accepted, \d{4}-\d\d-\d\d(;.+)?\n\n")
"""After the date stands what was decided or measured since, with a link to the later decision."""


def test_decisions_are_numbered_once_and_called_by_their_numbers() -> None:
    """Also where another document links to one: «[decision 7](decisions/0007-…)»."""
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [
        page.name for page in pages if not page.read_text(encoding="utf-8").startswith(f"# {int(page.name[:4])}. ")
    ] == []
    assert [page.name for page in pages if not STATUS.search(page.read_text(encoding="utf-8"))] == []
    links = re.compile(r"\[(?:decision )?(\d+)\]\((?:docs/|\.\./|\.)*(?:decisions/)?(\d{4})-")
    named = [match for path in DOCUMENTS for match in links.findall(path.read_text(encoding="utf-8"))]
    assert len(named) > 20
    assert [pair for pair in named if int(pair[0]) != int(pair[1])] == []
