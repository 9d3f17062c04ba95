"""A connection to RabbitMQ that ends in the middle of its handshake is tried again, and nothing of it stays open."""

import asyncio
import socket
import threading
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr

from shared.rabbitmq import Link, link

ATTEMPTS = 3
SECONDS = 30
POLL_SECONDS = 0.05


class Refuser(threading.Thread):
    """Hangs up on everyone. In a thread of its own: only so is it gone before the client's first look."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__()
        self._listener = listener
        self.refused = 0

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.close()
            self.refused += 1


async def never(_opened: object) -> None:
    raise AssertionError("there is no channel to open")


async def hold(port: int, refuser: Refuser) -> None:
    """Keep a link until it has been refused some times. Raises what made it give up."""
    running = asyncio.create_task(Link(SecretStr(f"amqp://guest:guest@127.0.0.1:{port}/"), "test", never).run())
    async with asyncio.timeout(SECONDS):
        while refuser.refused < ATTEMPTS:
            await asyncio.wait([running], timeout=POLL_SECONDS)
            if running.done():
                running.result()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_it_is_tried_again() -> None:
    # On uvloop, as the services run: there aiormq sees the end before it asks for the first frame.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refuser = Refuser(listener)
        refuser.start()
        try:
            uvloop.run(hold(listener.getsockname()[1], refuser))
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            refuser.join()


async def test_what_failed_or_was_cancelled_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[link.Connection] = []

    class Noted(link.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    async def hang_up_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing to the second one, until it leaves."""
        if len(made) > 1:
            arrived.set()
            await reader.read()
        writer.close()

    monkeypatch.setattr(link, "Connection", Noted)
    arrived = asyncio.Event()
    async with await asyncio.start_server(hang_up_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        running = asyncio.create_task(Link(SecretStr(f"amqp://guest:guest@127.0.0.1:{port}/"), "test", never).run())
        async with asyncio.timeout(SECONDS):
            await arrived.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [each.is_closed for each in made] == [True, True]
