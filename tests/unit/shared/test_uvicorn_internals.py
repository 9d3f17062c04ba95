"""What the servers use of uvicorn's classes beyond its documented interface is there in the version that is installed.

A new uvicorn may move these; then this names them, instead of a connection that breaks in some state that few tests reach.
"""

import ast
import inspect
import textwrap
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from services.gateway.transport.http_protocol import HttpProtocol as GatewayHttpProtocol
from services.gateway.transport.upgrade import UpgradeProtocol
from services.gateway.transport.websocket_protocol import GatewayProtocol
from shared.lifecycle import Server
from shared.rest import HttpProtocol, StreamHttpProtocol

PAIRS = [
    (Server, uvicorn.Server),
    (HttpProtocol, HttpToolsProtocol),
    (StreamHttpProtocol, HttpToolsProtocol),
    (GatewayHttpProtocol, HttpToolsProtocol),
    (UpgradeProtocol, WebSocketsSansIOProtocol),
    (GatewayProtocol, WebSocketsSansIOProtocol),
]


def classes_between(ours: type, theirs: type) -> list[type]:
    """The classes of this project among the bases, `ours` first."""
    return list(ours.__mro__[: ours.__mro__.index(theirs)])


def tree_of(kind: type) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(kind)))


def names_on(kind: type, value: str, *, context: type | None = None) -> set[str]:
    """Attributes of `self` or `super()` that a class' code names; with `context`, those that it so reads or sets."""
    return {
        node.attr
        for node in ast.walk(tree_of(kind))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == value
        and (context is None or isinstance(node.ctx, context))
    }


def made_by(kind: type) -> set[str]:
    """Attributes that a class' own constructor sets: its own state. What it sets elsewhere is uvicorn's."""
    made: set[str] = set()
    for function in ast.walk(tree_of(kind)):
        if isinstance(function, ast.FunctionDef) and function.name == "__init__":
            made |= {ast.unparse(node).removeprefix("self.") for node in ast.walk(function) if is_stored(node)}
    return made


def is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"


def theirs_has(theirs: type) -> set[str]:
    """What uvicorn's class and its bases define."""
    named = set(dir(theirs))
    for kind in theirs.__mro__:
        if kind.__module__.startswith("uvicorn"):
            named |= names_on(kind, "self", context=ast.Store)
    return named


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_each_name_that_is_not_our_own_is_uvicorns(ours: type, theirs: type) -> None:
    between = classes_between(ours, theirs)
    own = {name for kind in between for name in vars(kind)}
    own |= {name for kind in between for name in made_by(kind)}
    used = {name for kind in between for name in names_on(kind, "self")}
    assert used - own - theirs_has(theirs) == set()
    for kind in between:
        assert names_on(kind, "super()") - theirs_has(theirs) - own == set()


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_each_method_that_replaces_uvicorns_takes_the_same(ours: type, theirs: type) -> None:
    replaced = {name for kind in classes_between(ours, theirs) for name in vars(kind)} & set(dir(theirs))
    methods = [name for name in replaced if not name.startswith("__") and inspect.isfunction(getattr(theirs, name))]
    assert methods
    for name in methods:
        assert parameters(getattr(ours, name)) == parameters(getattr(theirs, name)), name


def parameters(function: Any) -> list[tuple[bool, Any]]:
    """Of each parameter whether it has a default, and its kind; names may differ."""
    found = inspect.signature(function).parameters.values()
    return [(one.default is not inspect.Parameter.empty, one.kind) for one in found]
