"""The clients' READMEs name only calls and events that their code has, and all calls of the JavaScript client."""

import re

from chat_client import ChatClient, Rest

from tools.stack.home import ROOT

CALLS = re.compile(r"^\| `.+$", re.MULTILINE)
NAME = re.compile(r"`\.?(?:rest\.|presence\.)?(\w+)(?:\(|`)")


def readme(client: str) -> str:
    """The text of a client's README."""
    return (ROOT / f"clients/{client}/README.md").read_text(encoding="utf-8")


def test_the_javascript_table_names_calls_that_are_there() -> None:
    types = (ROOT / "clients/javascript/src/index.d.ts").read_text(encoding="utf-8")
    table = readme("javascript").partition("## Calls")[2].partition("Events are")[0]
    named = {name for row in CALLS.findall(table) for name in NAME.findall(row.rpartition("|")[0].rpartition("|")[0])}
    assert len(named) > 30
    assert {name for name in named if not re.search(rf"\b{name}[(<:]", types)} == set()


def test_the_javascript_table_names_each_call() -> None:
    types = (ROOT / "clients/javascript/src/index.d.ts").read_text(encoding="utf-8")
    client = types.partition("export declare class ChatClient")[2].partition("\n}")[0]
    methods = set(re.findall(r"^  (\w+)[<(]", client, re.MULTILINE)) - {"constructor"}
    assert len(methods) > 20
    assert {name for name in methods if f"`{name}(" not in readme("javascript")} == set()


def test_the_javascript_examples_call_what_is_there() -> None:
    sources = {"client": "index", "rest": "index", "store": "store/index"}
    types = {name: (ROOT / f"clients/javascript/src/{file}.d.ts").read_text("utf-8") for name, file in sources.items()}
    examples = "".join(re.findall(r"```js\n(.*?)```", readme("javascript"), re.DOTALL))
    called = set(re.findall(r"\b(client|rest|store)\.(\w+)\(", examples))
    assert len(called) > 15
    assert {name for owner, name in called if not re.search(rf"\b{name}[(<]", types[owner])} == set()


def test_the_python_list_names_calls_that_are_there() -> None:
    listed = readme("python").partition("- `ChatClient(")[2]
    names = set(re.findall(r"`(?:rest\.)?([a-z_]+)(?:\([^`]*\))?`", listed)) - {"rest", "media", "chatctl"}
    assert len(names) > 10
    assert {name for name in names if not hasattr(ChatClient, name) and not hasattr(Rest, name)} == set()
