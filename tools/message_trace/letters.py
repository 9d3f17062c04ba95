"""Dead letters that hold a message."""

from tools.dead_letters import SOURCES, list_letters

MOST = 1000
"""The oldest of each queue."""


async def find(amqp_url: str, *ids: str) -> list[tuple[str, str]]:
    """(queue, reason) of each letter that names one of the ids. Raises AMQPError."""
    needles = [one.encode() for one in ids if one]
    return [
        (queue, letter.reason)
        for queue in SOURCES
        for letter in await list_letters(amqp_url, queue, MOST)
        if any(needle in letter.body for needle in needles)
    ]
