"""Frequent GET requests, answered without FastAPI's models and dependencies.

FastAPI's route of the same path stays: it is in the OpenAPI document, and answers all requests that aren't plain, for instance
with an error message for an invalid query (docs/decisions/0033-plain-reads-bypass-fastapi.md).
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from shared.auth import Principal

Query = TypeVar("Query", bound=BaseModel)

Answer = Callable[[Principal, str, Query], Awaitable[bytes]]
"""(user, the UUID in the path or '', query) → JSON. Raises ProtocolError."""

UUID: Final = "([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
_QUERY: Final = "direct_query"


class DirectRoute(BaseRoute, Generic[Query]):
    """A path whose plain GET requests `answer` serves. `path` is a regular expression with at most one group.

    A request is plain when its query fits `query`: each known parameter at most once, with a valid value. Unknown parameters are
    ignored, as in FastAPI.
    """

    def __init__(self, path: str, query: type[Query], answer: Answer[Query]) -> None:
        self._path = re.compile(path, re.ASCII)
        self._query = query
        self._answer = answer
        self._known = frozenset(query.model_fields)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether this route serves a request, as Starlette asks."""
        if scope["type"] == "http" and scope["method"] == "GET":
            found = self._path.fullmatch(scope["path"])
            query = None if found is None else self._read(scope["query_string"])
            if found is not None and query is not None:
                return Match.FULL, {_QUERY: query, "path_params": {"id": "".join(found.groups())}}
        return Match.NONE, {}

    async def handle(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a request that matched. Raises what authentication and `answer` raise."""
        user = await scope["app"].state.authenticator.current_user(scope)
        body = await self._answer(user, scope["path_params"]["id"], scope[_QUERY])
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Raise NotImplementedError: this route has no name."""
        raise NotImplementedError(name, path_params)

    def _read(self, query_string: bytes) -> Query | None:
        """Return the query, or None when it isn't plain."""
        given: dict[str, str] = {}
        if query_string:
            try:
                for name, value in parse_qsl(query_string.decode("ascii"), keep_blank_values=True):
                    if name in given:
                        return None
                    if name in self._known:
                        given[name] = value
            except ValueError:
                return None
        try:
            return self._query.model_validate(given)
        except ValidationError:
            return None


def add_direct(app: FastAPI, *routes: DirectRoute[Any]) -> None:
    """Add `routes` before those of FastAPI."""
    app.router.routes[:0] = routes
