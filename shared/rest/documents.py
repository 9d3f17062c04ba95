"""Serves the published documents of the interface from the repository (`docs/api`)."""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).parents[2] / "docs" / "api"
DOCUMENTS: Final = {"/openapi.json": "openapi.json", "/asyncapi.json": "asyncapi.json"}
"""Path → file in the folder."""
JSON: Final = "application/json"
LIFETIME_SECONDS: Final = 300
"""How long browsers and proxies may cache a document."""


def document_routes() -> list[Route]:
    """Return a public route for each document. Raises OSError when a file is missing."""
    return [_route(path, FOLDER / name) for path, name in DOCUMENTS.items()]


@cache
def _route(path: str, file: Path) -> Route:
    # Read and compressed once in a process. A request with the current `ETag` gets only headers.
    body = file.read_bytes()
    compressed = gzip.compress(body, mtime=0)
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={LIFETIME_SECONDS}", "Vary": "Accept-Encoding"}

    async def serve(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=JSON)
        return Response(body, headers=headers, media_type=JSON)

    return Route(path, serve)
