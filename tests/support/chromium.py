"""Chromium as tests start it: Debian's packages, headless, without requests of its own."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

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
WHOLE = "chromium"
SHELL = "chromium-headless-shell"
"""The same engine without a browser's windows, menus and notifications: half the CPU time for each page."""


def chromium(*, whole: bool) -> str:
    """The program. Fails the test where there is none."""
    program = (not whole and shutil.which(SHELL)) or shutil.which(WHOLE)
    if program is None:
        pytest.fail(f"needs Chromium: install the package {WHOLE}")
    return program


@asynccontextmanager
async def running_chromium(*, whole: bool = False) -> AsyncIterator[Browser]:
    """Run Chromium until the block ends: `whole` for pages that show notifications, or else its shell where that is installed."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(whole=whole), args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
