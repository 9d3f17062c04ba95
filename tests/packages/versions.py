"""The versions that applications are built with in these tests: exact, so that what others publish fails no test."""

from typing import Final

from tests.support.node import node_version

REACT: Final = ["react@19.3.1", "react-dom@19.3.1", "@types/react@19.3.3", "@types/react-dom@19.3.0"]
TYPESCRIPT: Final = "typescript@5.9.3"
WS: Final = "ws@8.23.0"
OPENAPI_TYPESCRIPT: Final = "openapi-typescript@7.13.0"
MODELINA: Final = "@asyncapi/modelina@5.10.1"
NOTHING: Final = "npm:tslib@2.8.1"
UNUSED: Final = {
    **dict.fromkeys(
        ["typescript-json-schema", "alterschema", "@apidevtools/swagger-parser", "fast-xml-parser"], NOTHING
    ),
    "@asyncapi/multi-parser": "file:./multi-parser",
}
"""Instead of Modelina's readers of other documents than AsyncAPI 3: 60 packages, and 9 of the 17 s of CPU of an installation."""
OPENAPI_PYTHON_CLIENT: Final = ["openapi-python-client==0.29.1", "typer==0.27.3", "ruamel.yaml==0.19.1"]
PYODIDE: Final = "pyodide@0.22.1"
"""CPython 3.10.2, as WebAssembly for Node."""
PYTHON_3_10: Final = [
    "anyio==4.16.0",
    "certifi==2026.10.18",
    "exceptiongroup==1.3.2",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "httpx==0.28.1",
    "idna==3.20",
    "typing-extensions==4.16.0",
    "websockets==16.1.1",
]
"""What the Python client gets with Python 3.10."""


def vite() -> str:
    """A Vite that runs on this machine's Node."""
    return "vite@8.3.8" if node_version() >= (20, 19) else "vite@5.4.21"


def applications() -> list[str]:
    """What all applications of these tests need together."""
    return [vite(), *REACT, TYPESCRIPT, OPENAPI_TYPESCRIPT, WS, MODELINA, PYODIDE]
