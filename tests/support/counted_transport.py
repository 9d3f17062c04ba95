"""Counts the writes of a protocol to its transport: each is a system call."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest


class CountedTransport:
    """A transport that keeps what each call writes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep `data`, and write it."""
        self.writes.append(bytes(data))
        self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Keep all parts as one write, and write them."""
        whole = b"".join(parts)
        self.writes.append(whole)
        self._transport.write(whole)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def count_writes(monkeypatch: pytest.MonkeyPatch, protocol: type[Any]) -> list[CountedTransport]:
    """Return the transports of the protocol's connections that open from now on, oldest first."""
    opened: list[CountedTransport] = []
    connection_made = protocol.connection_made

    def made(self: Any, transport: asyncio.Transport) -> None:
        opened.append(CountedTransport(transport))
        connection_made(self, opened[-1])

    monkeypatch.setattr(protocol, "connection_made", made)
    return opened
