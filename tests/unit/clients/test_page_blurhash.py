"""The page's decoder of blurhashes, in Node, against the library that the server makes them with."""

import json
import os
import random
from itertools import chain
from typing import Final

import blurhash
import pytest

from tests.support.node import run_node
from tools.stack.home import ROOT

MODULE: Final = ROOT / "examples" / "web" / "app" / "blurhash.js"
SIDE: Final = 32
DECODE: Final = """
const { decode } = await import(`data:text/javascript,${encodeURIComponent(process.env.MODULE)}`);
const decoded = JSON.parse(process.env.HASHES).map((hash) => decode(hash, 32));
console.log(JSON.stringify(decoded.map((pixels) => pixels && [...pixels])));
"""

Rows = list[list[list[int]]]


async def decode(*hashes: str) -> list[list[int] | None]:
    """What the page makes of `hashes`: RGBA bytes, or None."""
    environment = {**os.environ, "MODULE": MODULE.read_text(), "HASHES": json.dumps(hashes)}
    output = await run_node("--input-type=module", "--eval", DECODE, environment=environment, seconds=60)
    decoded: list[list[int] | None] = json.loads(output)
    return decoded


def pictures() -> dict[str, Rows]:
    """Small pictures: of one colour, with an edge, and of noise."""
    chance = random.Random(7)
    return {
        "black": [[[0, 0, 0]] * SIDE] * SIDE,
        "white": [[[255, 255, 255]] * SIDE] * SIDE,
        "edge": [[[220, 20, 20]] * 16 + [[20, 20, 220]] * 16] * SIDE,
        "noise": [[[chance.randrange(256) for _ in range(3)] for _ in range(SIDE)] for _ in range(SIDE)],
    }


@pytest.mark.parametrize("components", [(1, 1), (4, 3), (3, 5), (9, 9)])
async def test_the_page_decodes_as_the_library_does(components: tuple[int, int]) -> None:
    hashes = [str(blurhash.encode(rows, *components)) for rows in pictures().values()]
    for text, pixels in zip(hashes, await decode(*hashes), strict=True):
        expected = chain.from_iterable((*pixel, 255) for row in blurhash.decode(text, SIDE, SIDE) for pixel in row)
        assert pixels is not None
        # The last digit of a rounding may differ.
        assert max(abs(one - other) for one, other in zip(pixels, expected, strict=True)) <= 1, text


async def test_what_is_no_blurhash_is_nothing() -> None:
    right = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
    wrong = ["", "L", right[:-1], right + "0", right[:-1] + " ", right[:-1] + "é", right[:-2] + "\U0001f60a"]
    first, *others = await decode(right, *wrong)
    assert first is not None
    assert others == [None] * len(wrong)
