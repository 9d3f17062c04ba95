"""A WebSocket server that echoes, on the gateway's own protocols."""

import asyncio
from typing import Any, Final

import uvicorn

from services.gateway.transport.http_protocol import HttpProtocol, listen
from services.gateway.transport.upgrade import EXTENSION
from services.gateway.transport.websocket_protocol import GatewayProtocol

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024


class Echo:
    """Listens to one attached connection, and sends back what comes."""

    def __init__(self, protocol: GatewayProtocol) -> None:
        self._protocol = protocol

    def on_text(self, data: bytes) -> None:
        """Send a text back."""
        connection = self._protocol.conn
        connection.send_text(data)
        self._protocol.transport.write(b"".join(connection.data_to_send()))

    def on_binary(self) -> None:
        """Never called: binary messages keep their ASGI path."""

    def on_ping(self) -> None:
        """The protocol has answered."""

    def on_pong(self) -> None:
        """Nothing waits for one."""

    def on_paused(self) -> None:
        """The transport keeps what can't be written yet."""

    def on_drained(self) -> None:
        """Nothing was held back."""

    def on_lost(self, code: int | None, clean: bool) -> None:
        """There is nothing to clean up."""


class BinaryEcho(GatewayProtocol):
    """The gateway's protocol, but with an echo of binary messages, which the gateway drops."""

    def send_receive_event_to_app(self) -> None:
        """Send a binary message back, and handle texts as the gateway does."""
        if self.curr_msg_data_type == "text":
            super().send_receive_event_to_app()
            return
        whole, self.frames = b"".join(self.frames), []
        self.conn.send_binary(whole)
        self.transport.write(b"".join(self.conn.data_to_send()))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Accept, and attach the connection, as the gateway's endpoint does."""
    await receive()
    await send({"type": "websocket.accept"})
    protocol = scope["extensions"][EXTENSION]["protocol"]
    protocol.attach(Echo(protocol))


async def serve(port: int) -> None:
    """Serve on a port of this machine until cancelled."""
    config = uvicorn.Config(
        application,
        http=HttpProtocol,
        ws=BinaryEcho,
        ws_max_size=MAX_FRAME_BYTES,
        lifespan="off",
        log_level="warning",
    )
    await uvicorn.Server(config).serve(sockets=[listen("127.0.0.1", port)])


if __name__ == "__main__":
    import sys

    asyncio.run(serve(int(sys.argv[1])))
