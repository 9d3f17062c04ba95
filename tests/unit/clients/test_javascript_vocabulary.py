"""The JavaScript client's own tests, and its names, which are those of the server."""

import json
import os

from shared.protocol.client import FRAMES
from shared.protocol.closing import CloseCode
from shared.protocol.server import EVENTS
from tests.support.node import run_node

DECLARATIONS = "import('./src/index.js').then(m => console.log(JSON.stringify([m.COMMAND, m.EVENT, m.CLOSE])))"


async def test_its_own_tests_pass() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CHAT_URL"}
    output = await run_node("--test", environment=environment, seconds=60)
    assert "fail 0" in output


async def test_they_pass_without_what_react_native_lacks() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CHAT_URL"}
    output = await run_node("--import", "./testkit/bare.js", "--test", environment=environment, seconds=60)
    assert "fail 0" in output


async def test_it_names_every_event_and_close_code_as_the_server_does() -> None:
    output = await run_node("--eval", DECLARATIONS, environment=os.environ, seconds=20)
    commands, events, codes = json.loads(output)
    assert set(commands.values()) == set(FRAMES)
    assert set(events.values()) == {*EVENTS, "error"}
    assert set(codes.values()) >= set(CloseCode)
