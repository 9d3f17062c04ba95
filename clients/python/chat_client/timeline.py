"""The order of messages: a conversation counts 1, 2, 3 … without gaps, so a client that sees 7 after 5 missed 6.

Nothing here waits or fetches. It tells what to pass to the application now, and what to fetch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """The messages with `after_seq` < seq < `before_seq` are missing."""

    conversation_id: str
    after_seq: int
    before_seq: int


@dataclass(slots=True)
class _Progress:
    """`seen`: everything up to this seq was passed on; None while the conversation's start is unknown."""

    seen: int | None
    held: dict[int, Frame] = field(default_factory=dict)


class Timeline:
    """What was seen of each conversation, and the messages that wait until a gap before them is filled.

    A conversation is known from its first message here, or from `track`. Earlier messages are history, not a gap. While
    `settling` (after a reconnect without replay, until REST was asked), messages of unknown conversations are held: the first
    live one may not be the first new one.
    """

    def __init__(self) -> None:
        self._progress: dict[str, _Progress] = {}
        self.settling = False

    def seen(self, conversation_id: str) -> int | None:
        """Return the seq up to which nothing is missing; None for an unknown conversation."""
        progress = self._progress.get(conversation_id)
        return None if progress is None else progress.seen

    def track(self, conversation_id: str, seq: int) -> None:
        """Note that everything up to `seq` is known. It changes nothing when more is known already."""
        progress = self._progress.setdefault(conversation_id, _Progress(seq))
        if progress.seen is None or progress.seen < seq:
            progress.seen = seq
            progress.held = {held: frame for held, frame in progress.held.items() if held > seq}

    def accept(self, conversation_id: str, seq: int, frame: Frame) -> list[Frame]:
        """Return the frames to pass on now, in order: none for a repeat, or when an earlier one is missing."""
        progress = self._progress.setdefault(conversation_id, _Progress(None if self.settling else seq - 1))
        if progress.seen is None or seq > progress.seen:
            progress.held.setdefault(seq, frame)
        return self.release(conversation_id)

    def release(self, conversation_id: str) -> list[Frame]:
        """Return held frames that no longer wait for a gap."""
        progress = self._progress.get(conversation_id)
        ready: list[Frame] = []
        if progress is None or progress.seen is None:
            return ready
        while progress.seen + 1 in progress.held:
            progress.seen += 1
            ready.append(progress.held.pop(progress.seen))
        return ready

    def gap(self, conversation_id: str) -> Gap | None:
        """Return the first gap before the held messages."""
        progress = self._progress.get(conversation_id)
        if progress is None or progress.seen is None or not progress.held:
            return None
        return Gap(conversation_id, progress.seen, min(progress.held))

    def skip(self, gap: Gap) -> list[Frame]:
        """Give a gap up, and return the frames that waited for it, in order."""
        self.track(gap.conversation_id, gap.before_seq - 1)
        return self.release(gap.conversation_id)

    def settle(self, conversation_id: str) -> list[Frame]:
        """Nobody can say where a conversation starts: with what is held. Returns it, in order."""
        progress = self._progress.get(conversation_id)
        if progress is not None and progress.seen is None and progress.held:
            progress.seen = min(progress.held) - 1
        return self.release(conversation_id)

    def unsettled(self) -> Iterable[str]:
        """Return conversations with messages that are held until their start is known."""
        return [name for name, progress in self._progress.items() if progress.seen is None]
