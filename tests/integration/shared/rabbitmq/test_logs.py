"""A connection that breaks is a line in the log, not a traceback."""

import asyncio
import json
import sys

from tests.faults.proxy import Proxy
from tests.support.broker import SECONDS
from tools.stack.ports import free_port

KEEPS_CONNECTED = """
import asyncio, sys
from pydantic import SecretStr
from shared.rabbitmq import Consumer, Publisher
from shared.settings import ServiceSettings
from shared.telemetry import configure_logging
from tests.support.broker import WORK

async def main():
    url = SecretStr(sys.argv[1])
    elsewhere = {"database_url": "postgresql://x/x", "redis_urls": "redis://x", "jwt_secret": "x" * 32}
    configure_logging(ServiceSettings(amqp_url=url, **elsewhere), "test")
    await asyncio.gather(Publisher(url, "test", [WORK]).run(), Consumer(url, "test", WORK, prefetch=4).run())

asyncio.run(main())
"""
LINKS = 2


async def test_a_broken_connection_is_one_line(amqp_url: str) -> None:
    proxy = Proxy.to(amqp_url)
    await proxy.start(free_port())
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPS_CONNECTED, proxy.url(amqp_url), stderr=asyncio.subprocess.PIPE
    )
    lines: list[dict[str, str]] = []

    async def told(event: str, times: int) -> None:
        """Read until the log has it so often. A line that is no JSON, such as one of a traceback, is an error."""
        assert child.stderr is not None
        while sum(line["event"] == event for line in lines) < times:
            lines.append(json.loads(await child.stderr.readline()))

    try:
        async with asyncio.timeout(3 * SECONDS):
            await told("amqp.connected", LINKS)
            proxy.cut()
            await told("amqp.connected", 2 * LINKS)
    finally:
        child.kill()
        await child.wait()
        await proxy.stop()
    assert sum(line["event"] == "amqp.disconnected" for line in lines) == LINKS
    assert [line for line in lines if not line["event"].startswith("amqp.") or "exception" in line] == []
