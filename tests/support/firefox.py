"""Firefox as it is released, headless, controlled by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).

Playwright drives only a Firefox that was changed for it, in which Web Push doesn't work.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.waiting import eventually

SECONDS: Final = 60
"""Limit for each step: a busy machine takes long to start a browser."""
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
PORT_FILE: Final = "WebDriverBiDiServer.json"
PREFERENCES: Final[dict[str, str | int | bool]] = {
    # WebDriver's own preferences switch the connection to the push service off.
    "remote.prefs.recommended": False,
    "dom.push.connection.enabled": True,
    "dom.push.testing.allowInsecureServerURL": True,
    # 1: every page may show notifications; there is nobody to ask.
    "permissions.default.desktop-notification": 1,
    # Firefox draws notifications itself: a machine without a screen has no desktop that does.
    "alerts.useSystemBackend": False,
    # No requests to other servers, and no conclusion from their absence that the network is down.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.manage-offline-status": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.server": "data:,",
}


class Firefox:
    """One window with one page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._page = ""

    async def begin(self) -> None:
        """Attach to the open window."""
        await self.command("session.new", capabilities={})
        tree = await self.command("browsingContext.getTree")
        self._page = tree["contexts"][0]["context"]

    async def command(self, method: str, **params: Any) -> Any:
        """Return the result of a command. Raises AssertionError with Firefox's error, TimeoutError."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(SECONDS):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("id") == number:
                    break
        assert answer["type"] == "success", answer
        return answer["result"]

    async def visit(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        await self.command("browsingContext.navigate", context=self._page, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited, as JSON. Raises AssertionError when it throws."""
        result = await self.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self._page},
            awaitPromise=True,
        )
        assert result["type"] == "success", result["exceptionDetails"]["text"]
        return json.loads(result["result"]["value"])

    async def holds(self, expression: str) -> None:
        """Wait until a JavaScript expression is true. Raises TimeoutError."""

        async def ask() -> bool:
            return bool(await self.evaluate(expression))

        await eventually(ask, SECONDS)

    async def click(self, selector: str) -> None:
        """Click as a user does: browsers require that before they ask for a permission."""
        found = await self.command(
            "browsingContext.locateNodes", context=self._page, locator={"type": "css", "value": selector}
        )
        element = {"type": "element", "element": {"sharedId": found["nodes"][0]["sharedId"]}}
        pressed = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        moved = {"type": "pointerMove", "x": 0, "y": 0, "origin": element}
        mouse = {"type": "pointer", "id": "mouse", "actions": [moved, *pressed]}
        await self.command("input.performActions", context=self._page, actions=[mouse])


@asynccontextmanager
async def running_firefox(profile: Path, preferences: dict[str, str]) -> AsyncIterator[Firefox]:
    """Run Firefox with a new profile in the empty folder `profile`, until the block ends.

    `preferences` (names of `about:config`) come on top of `PREFERENCES`. Fails the test where there is no Firefox.
    """
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.fail("needs Firefox: install the package firefox-esr")
    chosen = {**PREFERENCES, **preferences}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in chosen.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    with (profile / "firefox.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank",
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        async with connect(f"{await _address(profile)}/session", max_size=MAX_FRAME_BYTES) as socket:
            firefox = Firefox(socket)
            await firefox.begin()
            yield firefox
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _address(profile: Path) -> str:
    file = profile / PORT_FILE

    async def is_there() -> bool:
        return file.exists() and bool(file.read_text(encoding="utf-8"))

    await eventually(is_there, SECONDS)
    said = json.loads(file.read_text(encoding="utf-8"))
    return f"ws://{said['ws_host']}:{said['ws_port']}"
