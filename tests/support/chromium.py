"""Chromium, as tests start it: Debian's own, without a screen and without connections of its own."""

import shutil

import pytest

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The program. Fails the test where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("needs Chromium: install the package chromium")
    return program
