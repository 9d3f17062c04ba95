"""The same chat over XMPP: a client of ejabberd on WebSocket (RFC 7395), and pairs of them.

A message counts as acknowledged when the server says that it has handled its stanza (XEP-0198, `<a/>`), which it does
after `mod_mam` has stored it.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import asyncpg
import picows

from tools.bench.ledger import Stored
from tools.bench.peer import Peer, SeenEvent, SeenMessage, SeenPayload
from tools.bench.people import together
from tools.bench.target import Target
from tools.bench.traffic import Gathering, Pair, Traffic

DOMAIN: Final = "localhost"
PASSWORD: Final = "secret"  # noqa: S105 - of users that a benchmark makes and forgets
SIGN_IN_SECONDS: Final = 30
_OPEN: Final = b'<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>'
_BIND: Final = b'<iq type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>'
_ENABLE: Final = b'<enable xmlns="urn:xmpp:sm:3"/>'
_ASK: Final = b'<r xmlns="urn:xmpp:sm:3"/>'
_HANDLED: Final = re.compile(rb"^<a .*\bh=['\"](\d+)")
_BODY: Final = re.compile(rb"<body>(\d{16} [^<]*)")


class XmppPeer(Peer):
    """One connection. It converts acknowledgements and messages to events of this project's protocol."""

    def __init__(self, name: str, reads_only: bool) -> None:
        super().__init__(name)
        self.handled = 0
        self._ready = asyncio.Event()
        plain = base64.b64encode(f"\0{name}\0{PASSWORD}".encode())
        sign_in = b'<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">%s</auth>' % plain
        # What the server says → what the client says then. Presence before stream management: only messages are counted.
        self._steps = [
            (b"<stream:features", sign_in),
            (b"<success", _OPEN),
            (b"<stream:features", _BIND),
            (b"<iq", b"<presence/>"),
            (b"<presence", b"" if reads_only else _ENABLE),
            *([] if reads_only else [(b"<enabled", b"")]),
        ]

    async def connect(self, target: Target, token: str = "") -> None:
        """Connect and sign in; without `token`, by a password. Raises picows.WSError, OSError, TimeoutError."""
        headers = {"Sec-WebSocket-Protocol": "xmpp"}
        await picows.ws_connect(lambda: self, target.socket_url, extra_headers=headers)
        self.send(_OPEN)
        async with asyncio.timeout(SIGN_IN_SECONDS):
            await self._ready.wait()

    def on_ws_frame(self, _transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Handle a stanza, or another top-level element of the stream."""
        text = frame.get_payload_as_bytes()
        if self._steps:
            self._negotiate(text)
        elif found := _BODY.search(text):
            self._tell("message.new", int(found[1][:16]), found[1].decode())
        elif found := _HANDLED.search(text):
            # Each one answers one question, but a later answer would cover earlier messages, too.
            for number in range(self.handled, int(found[1])):
                self._tell("message.sent", number, "")
            self.handled = int(found[1])

    def _negotiate(self, text: bytes) -> None:
        expected, answer = self._steps[0]
        if not text.startswith(expected):
            return
        del self._steps[0]
        if answer:
            self.send(answer)
        if not self._steps:
            self._ready.set()

    def _tell(self, kind: str, number: int, content: str) -> None:
        """Return the event of a message. XMPP has no `seq`, so the messages of a pair are numbered in the order of sending."""
        message = SeenMessage(self.name, number + 1, content)
        self.on_event(self, SeenEvent(kind, SeenPayload(temp_id=f"{number:012}", message=message)))


class XmppPair(Pair):
    """A sender and a receiver. The account has the sender's name, because the sender's archive is compared."""

    def _write(self, number: int, text: bytes) -> None:
        self.sender.send(
            b'<message to="%s@localhost" type="chat" id="018f2c3a-77aa-7000-8000-%012d"><body>%s</body></message>'
            % (self.receiver.name.encode(), number, text)
        )
        self.sender.send(_ASK)


@asynccontextmanager
async def gather(target: Target, prefix: str, count: int) -> AsyncIterator[Gathering]:
    """Create `count` pairs of new users, and connect them."""
    pairs: list[Pair] = []
    for number in range(count):
        sender = f"{prefix}-s{number}"
        pairs.append(XmppPair(XmppPeer(sender, False), XmppPeer(f"{prefix}-r{number}", True), sender))
    peers = [pair.sender for pair in pairs] + [pair.receiver for pair in pairs]
    database = await asyncpg.connect(target.database_url)
    try:
        users = [(peer.name, PASSWORD) for peer in peers]
        await database.copy_records_to_table("users", records=users, columns=["username", "password"])
        await together(partial(peer.connect, target) for peer in peers)
        yield Gathering(pairs, partial(_archived, database))
    finally:
        await database.close()


async def _archived(database: asyncpg.Connection, traffic: Traffic) -> Stored:
    """Return the messages in the senders' archives."""
    query = "SELECT txt FROM archive WHERE username = $1 ORDER BY id"
    stored: Stored = {}
    for name in (pair.account.name for pair in traffic.pairs):
        rows = await database.fetch(query, name)
        stored[name] = [(int(row["txt"][:16]), seq) for seq, row in enumerate(rows, 1)]
    return stored
