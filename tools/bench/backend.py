"""`python -m tools.bench.backend`: the benchmark's stand-in for a platform's back end, in a process of its own.

It accepts webhooks, records their delay and their order, and allows every message when the moderation hook asks. It writes its
address to standard output. `GET /summary` returns what has arrived since the last `GET /summary` (`Summary`).
"""

import asyncio
import time
from datetime import datetime
from typing import Any, Final, cast

import httptools
import msgspec
import uvloop

from tools.bench.latency import Latency, summarize

NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Summary(msgspec.Struct):
    """What has arrived. `seconds`: from the first message to the last. `lag`: from an event to its post.

    `disorder`: messages that arrived before an earlier one of their conversation; `repeated`: messages that arrived again.
    `asked`: messages in calls of the moderation hook; `batches`: these calls.
    """

    messages: int = 0
    others: int = 0
    seconds: float = 0.0
    lag: Latency | None = None
    disorder: int = 0
    repeated: int = 0
    asked: int = 0
    batches: int = 0


class _Data(msgspec.Struct, rename="camel"):
    conversation_id: str = ""
    seq: int = 0
    messages: list[dict[str, Any]] = []


class _Event(msgspec.Struct):
    type: str
    timestamp: datetime
    data: _Data


_decoder: Final = msgspec.json.Decoder(_Event)


class Seen:
    """What has arrived since the last summary. The last seq of each conversation is never forgotten."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._summary = Summary()
        self._lags: list[float] = []
        self._first_at = self._last_at = 0.0

    def take(self, body: bytes) -> bytes:
        """Record a post, and return the HTTP response."""
        now = time.time()
        event = _decoder.decode(body)
        if event.type == "moderation.request":
            return self._judge(event.data.messages)
        if event.type == "message.created":
            self._first_at = self._first_at or now
            self._last_at = now
            self._note(event.data, now - event.timestamp.timestamp())
        else:
            self._summary.others += 1
        return NO_CONTENT

    def summary(self) -> Summary:
        """Return what has arrived, and begin the next summary."""
        found = self._summary
        found.seconds = self._last_at - self._first_at
        found.lag = summarize(self._lags)
        self._begin()
        return found

    def _begin(self) -> None:
        self._summary = Summary()
        self._lags = []
        self._first_at = self._last_at = 0.0

    def _note(self, data: _Data, lag: float) -> None:
        self._lags.append(lag)
        self._summary.messages += 1
        last = self._last.get(data.conversation_id, 0)
        if data.seq <= last:
            self._summary.repeated += 1
        elif data.seq != last + 1:
            self._summary.disorder += 1
        self._last[data.conversation_id] = max(last, data.seq)

    def _judge(self, messages: list[dict[str, Any]]) -> bytes:
        self._summary.asked += len(messages)
        self._summary.batches += 1
        return _json({"verdicts": [{"id": message["id"], "action": "allow"} for message in messages]})


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: parsed by httptools, answered at once."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to httptools, which calls the methods below."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Begin a request with an empty body."""
        self._body = b""

    def on_body(self, body: bytes) -> None:
        """Add a part of the request's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the complete request."""
        assert self._transport is not None
        is_post = self._parser.get_method() == b"POST"
        self._transport.write(self._seen.take(self._body) if is_post else _json(self._seen.summary()))


def _json(value: Any) -> bytes:
    body = msgspec.json.encode(value)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def main() -> None:
    """Serve until the process is ended."""
    seen = Seen()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(seen), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
