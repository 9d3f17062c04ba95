"""Every `chatctl` command that the documents and manifests tell an operator to run exists, with the options that they give it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from tests.unit.deploy.manifests import ROOT
from tools.chatctl import app as chatctl
from tools.doctor import broker, cache, clocks, database, push, services, settings, store

COMMAND = re.compile(r"chatctl ((?:[a-z][a-z-]*|--[a-z-]+|[A-Z_]{2,}|[\w./@:-]+)(?: (?:--)?[\w./@:<>=-]+)*)")
FILES = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "docker-compose.yml"]
SOURCES = [Path(str(module.__file__)) for module in (broker, cache, clocks, database, push, services, settings, store)]


def commands() -> dict[str, set[str]]:
    """«name» or «group name» → its options."""
    root = typer.main.get_command(chatctl.app)
    found: dict[str, set[str]] = {}

    def walk(command: object, path: str) -> None:
        below = getattr(command, "commands", None)
        if below is None:
            parameters = getattr(command, "params", [])
            found[path] = {option for one in parameters for option in one.opts} | {"--help"}
        else:
            for name, each in below.items():
                walk(each, f"{path} {name}".strip())

    walk(root, "")
    return found


def told() -> Iterator[tuple[str, str]]:
    """(file, what stands behind `chatctl`) in code of the documents, and in remedies of the doctor."""
    for path in (*FILES, *SOURCES):
        text = path.read_text(encoding="utf-8")
        for code in re.findall(r"`([^`\n]*chatctl [^`\n]+)`|^([^#\n]*chatctl [a-z].*)$", text, re.MULTILINE):
            for match in COMMAND.finditer("".join(code).partition("  #")[0]):
                yield str(path.relative_to(ROOT)), match[1]


KNOWN = commands()
TOLD = sorted(set(told()))


def test_there_is_something_to_look_at() -> None:
    assert len(TOLD) > 15
    assert {
        "doctor",
        "probe",
        "size",
        "trace",
        "revoke",
        "unread",
        "dead-letters list",
        "protections save",
    } <= KNOWN.keys()


@pytest.mark.parametrize(("file", "line"), TOLD, ids=lambda value: value[:60])
def test_it_exists(file: str, line: str) -> None:
    words = line.split()
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in KNOWN), None)
    groups = {known.split()[0] for known in KNOWN if " " in known}
    if name is None and words[0] not in groups:
        # Prose: «`chatctl` in a sentence», a service of Compose, or an option of the tool itself.
        assert words[0] == "--help" or not re.fullmatch(r"[a-z]+(-[a-z]+)*", words[0]) or words[0] in PROSE, (
            file,
            line,
        )
        return
    options = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
    assert options <= KNOWN.get(name or "", {"--help"}), (file, line)


PROSE = {"says", "and", "with", "in", "is"}
"""Words that follow the tool's name in sentences."""
