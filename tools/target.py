"""The system that a command talks to: a given one, or the local stack."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shared.redis import DEFAULT_PARTITIONS, Partitions, open_partitions
from tools.failure import Failure
from tools.stack.home import ROOT

STACK_FILE: Final = Path(os.environ.get("STACK_HOME") or ROOT / ".local") / "stack.json"
REMEDY: Final = "start one with `make up`, or name one"

UrlOption = Annotated[
    str | None, typer.Option("--url", envvar="CHAT_URL", help="Origin of the system, such as http://127.0.0.1:8080.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document a line, for other programs.")]


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the local stack."""

    name: str
    pid: int
    port: int


def url_of(given: str | None) -> str:
    """Return the origin to connect to. Raises Failure for an invalid one, and when none is given and no local stack runs."""
    if given:
        if not given.startswith(("http://", "https://")):
            raise Failure(f"{given} is no origin", "name one such as http://127.0.0.1:8080 with --url or CHAT_URL")
        return given.rstrip("/")
    stack = _read_stack()
    if stack is None:
        raise Failure("no local stack runs", f"{REMEDY} with --url or CHAT_URL")
    return str(stack["url"])


def processes() -> list[Process]:
    """Return the processes of the local stack. Raises Failure when none runs."""
    stack = _read_stack()
    if stack is None:
        raise Failure("no local stack runs", "start one with `make up`")
    return [Process(entry["name"], entry["pid"], entry["port"]) for entry in stack["processes"]]


def find_url() -> str | None:
    """The origin that `CHAT_URL` or the local stack names; None when neither does."""
    stack = _read_stack()
    return os.environ.get("CHAT_URL", "").rstrip("/") or (None if stack is None else str(stack["url"]))


def open_redis() -> Partitions:
    """The partitions of the Redis of the environment, or of the local stack. Raises Failure."""
    url = backend_url("redis", "CHAT_REDIS_URLS")
    try:
        return open_partitions(url, int(os.environ.get("CHAT_REDIS_PARTITIONS") or DEFAULT_PARTITIONS))
    except ValueError as error:
        raise Failure(
            f"CHAT_REDIS_URLS or CHAT_REDIS_PARTITIONS: {error}", "set them as the services have them"
        ) from None


def backend_url(name: str, variable: str) -> str:
    """The URL of a backend: of the environment's `variable`, or the local stack's `name`. Raises Failure."""
    given = os.environ.get(variable)
    stack = _read_stack()
    if given:
        return given
    if stack is None:
        raise Failure(f"{variable} isn't set, and no local stack runs", f"{REMEDY} with {variable}")
    return str(stack["backends"][name])


def _read_stack() -> dict[str, Any] | None:
    try:
        stack: dict[str, Any] = json.loads(STACK_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Failure(f"{STACK_FILE} can't be read: {error}", "write it again with `make up`") from error
    return stack
