"""The programs that install Python packages. Only the standard library is used: nothing is installed yet."""

import os
import subprocess
from pathlib import Path
from typing import Final

VENV: Final = Path(__file__).parents[1] / ".venv"
UV: Final = VENV / "bin" / "uv"
VERSION: Final = "uv==0.13.9"
"""Installs packages ten times as fast as pip, which saves most of a first start. When it fails, pip is used."""


def pip(python: Path) -> list[str]:
    """Return the command of the pip beside `python`, without what to install."""
    return [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]


def uv(python: Path) -> list[str]:
    """Return the command of uv that installs for `python`, without what to install."""
    return [str(UV), "pip", "install", "--quiet", "--python", str(python)]


def may_use_uv(python: Path) -> bool:
    """Return whether uv would find the same packages as pip: it doesn't read pip's settings of another index."""
    asked = [str(python), "-m", "pip", "config", "list"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return ".index-url=" not in said and ".no-index=" not in said


def environment() -> dict[str, str]:
    """Return this process' environment, with settings of uv that nobody has set."""
    return {"UV_HTTP_TIMEOUT": "20", "UV_NATIVE_TLS": "1", **os.environ}
