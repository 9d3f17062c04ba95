"""Users under fault: each sends, keeps what it saw, and reads now and then."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from chat_client import ChatClient, Message

from tools.devtoken import mint, user_id

PAUSE_SECONDS = (0.02, 0.15)
READ_EVERY = 12


@dataclass(eq=False)
class User:
    """One end of a conversation. `seen`: the seqs that the application got, in order; `acknowledged`: own messages, stored.

    `noticed`: how many events of each type came, the client's own ones about lost connections too.
    """

    name: str
    client: ChatClient
    conversation_id: str = ""
    sent: int = 0
    seen: list[int] = field(default_factory=list)
    acknowledged: list[Message] = field(default_factory=list)
    acknowledged_at: list[float] = field(default_factory=list)
    noticed: Counter[str] = field(default_factory=Counter)
    unread_total: int = 0

    @classmethod
    def make(cls, url: str, name: str) -> "User":
        """A user who isn't connected."""
        return cls(name, ChatClient(url, lambda: mint(name, lifetime_seconds=3600)))

    @property
    def id(self) -> str:
        """The user id."""
        return str(user_id(self.name))

    async def watch(self) -> None:
        """Keep what comes, and read now and then. Ends when the client does."""
        async for event in self.client.events():
            self.noticed[event["type"]] += 1
            if event["type"] == "message.new" or event["type"] == "message.sent":
                message = event["payload"]["message"]
                assert message["conversationId"] == self.conversation_id
                self.seen.append(message["seq"])
                if event["type"] == "message.new" and message["seq"] % READ_EVERY == 0:
                    self.client.mark_read(self.conversation_id, message["seq"])

    async def talk(self, until: asyncio.Event, chance: random.Random) -> None:
        """Send one message after the other until told to stop."""
        while not until.is_set():
            message = await self.client.send(self.conversation_id, "text", f"{self.name} {self.sent}")
            self.sent += 1
            self.acknowledged.append(message)
            self.acknowledged_at.append(asyncio.get_running_loop().time())
            await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))

    @property
    def longest_silence_seconds(self) -> float:
        """The longest time between two acknowledgements."""
        times = self.acknowledged_at
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)
