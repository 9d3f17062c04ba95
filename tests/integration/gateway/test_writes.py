"""How often a gateway writes to a socket: each write is a system call, and wakes the load balancer and the client."""

import pytest

from services.gateway.transport.websocket_protocol import GatewayProtocol
from tests.support.counted_transport import count_writes
from tests.support.gateway import RunningGateway


async def test_the_response_to_an_upgrade_and_the_first_event_are_one_write(
    gateway: RunningGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transports = count_writes(monkeypatch, GatewayProtocol)
    await gateway.connect(alice)
    assert [write.partition(b"\r\n")[0] for write in transports[0].writes] == [b"HTTP/1.1 101 Switching Protocols"]
    assert transports[0].writes[0].count(b'"type":"connection.success"') == 1
