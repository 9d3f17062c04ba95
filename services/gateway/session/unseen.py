"""The messages that were written to one connection since it last showed a sign of life."""

from collections import deque
from typing import Final

MAX_MESSAGES: Final = 64
MAX_BYTES: Final = 256 * 1024


class UnseenMessages:
    """Each `message.new`, and when it was written (monotonic seconds), oldest first. Bounded: the oldest are dropped.

    The total size is stored, so that adding a message doesn't take longer the more there are.
    """

    __slots__ = ("_bytes", "_messages")

    def __init__(self) -> None:
        self._messages: deque[tuple[float, bytes]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __contains__(self, text: bytes) -> bool:
        return any(kept == text for _, kept in self._messages)

    @property
    def since(self) -> float:
        """Return when the oldest one was written. There must be one."""
        return self._messages[0][0]

    def add(self, texts: list[bytes], now: float) -> None:
        """Add messages that were written."""
        messages = self._messages
        for text in texts:
            messages.append((now, text))
            self._bytes += len(text)
            while (len(messages) > MAX_MESSAGES or self._bytes > MAX_BYTES) and len(messages) > 1:
                self.pop()

    def pop(self) -> bytes:
        """Remove and return the oldest one."""
        _, text = self._messages.popleft()
        self._bytes -= len(text)
        return text
