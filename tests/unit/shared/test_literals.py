"""What crosses a wire is declared in `shared/protocol`, and stands as a literal nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.protocol import client, closing, keys, server, topology
from shared.protocol.errors import ErrorCode

ROOT = Path(__file__).parents[3]
SOURCES = [
    path
    for folder in ("services", "shared")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".lua", ".sql"} and "protocol" not in path.relative_to(ROOT).parts
]
PREFIXES = {
    value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str) and value[0].isalpha()
}
EVENT_TYPES = {name for name in {*client.FRAMES, *server.EVENTS} if "." in name}
QUEUES = {queue.name for queue in topology.QUEUES}
CODES = {code.value for code in ErrorCode if "_" in code.value}
CLOSE_CODES = {int(code) for code in closing.CloseCode if code >= 4000}


def python_literals(path: Path) -> Iterator[tuple[int, object]]:
    """(line, value) of each constant that isn't a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", [p for p in SOURCES if p.suffix == ".py"], ids=lambda p: str(p.relative_to(ROOT)))
def test_python_names_the_declaration(path: Path) -> None:
    found = [
        f"{line}: {value!r}"
        for line, value in python_literals(path)
        if (isinstance(value, str) and (value in EVENT_TYPES | QUEUES | CODES or value in PREFIXES))
        or (isinstance(value, int) and value in CLOSE_CODES)
    ]
    assert not found


def test_lua_takes_prefixes_by_name() -> None:
    for path in (p for p in SOURCES if p.suffix == ".lua"):
        assert not lua_literals(path), path


def lua_literals(path: Path) -> list[str]:
    """Texts of a script that begin with a declared prefix, comments left out."""
    code = "\n".join(line.split("--")[0] for line in path.read_text(encoding="utf-8").splitlines())
    literals = set(code.replace('"', "'").split("'")[1::2])
    return [text for text in literals if any(text.startswith(prefix) for prefix in PREFIXES)]
