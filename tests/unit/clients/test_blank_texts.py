"""Which text has no visible character: one rule for the services and both clients."""

import json
import subprocess
import sys
from functools import cache
from typing import Final

import pytest
from chat_client import text as client_text
from chat_client.client import ChatClient

from shared.protocol import text as server_text
from tests.support.node import CLIENT, node_command

SURROGATES: Final = range(0xD800, 0xE000)
SCRIPT: Final = """
import { isBlank } from "./src/text.js";
const blank = [];
for (let point = 0; point <= 0x10ffff; point += 1) {
  if ((point < 0xd800 || point > 0xdfff) && isBlank(String.fromCodePoint(point))) blank.push(point);
}
console.log(JSON.stringify(blank));
"""


@cache
def blank_points() -> set[int]:
    """Every code point that shows nothing, as the services see it."""
    return {
        point for point in range(sys.maxunicode + 1) if point not in SURROGATES and server_text.is_blank(chr(point))
    }


def test_the_python_client_has_the_services_rule() -> None:
    points = (point for point in range(sys.maxunicode + 1) if point not in SURROGATES)
    assert {point for point in points if client_text.is_blank(chr(point))} == blank_points()


def test_the_javascript_client_has_the_services_rule() -> None:
    command = [*node_command(), "--input-type=module", "-e", SCRIPT]
    output = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, check=True).stdout
    assert set(json.loads(output)) == blank_points()


@pytest.mark.parametrize("content", [None, "", " \n", "\u200b\u3164", "\u2800"])
async def test_the_python_client_sends_no_text_that_shows_nothing(content: str | None) -> None:
    client = ChatClient("http://127.0.0.1:9", lambda: "token")
    with pytest.raises(ValueError, match="visible character"):
        await client.send("0191e2a4-0000-7000-8000-000000000000", "text", content)
