"""The order of messages: a conversation counts 1, 2, 3 … without holes, so whoever sees 7 after 5 lacks 6.

Nothing here waits or fetches; it says what to give to the application now, and what to fetch.
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
    """`seen`: everything up to it was given out; None while nobody knows where the conversation starts for us."""

    seen: int | None
    held: dict[int, Frame] = field(default_factory=dict)


class Timeline:
    """What was seen of each conversation, and the messages that wait for a hole before them to be filled.

    A conversation is known from its first message here or from `track`; what lies before that is history, not a gap.
    While `settling` (a reconnect without replay, before REST was asked) unknown conversations are held back: their
    first live message may not be the first that is new.
    """

    def __init__(self) -> None:
        self._progress: dict[str, _Progress] = {}
        self.settling = False

    def seen(self, conversation_id: str) -> int | None:
        """The seq up to which nothing is missing; None for an unknown conversation."""
        progress = self._progress.get(conversation_id)
        return None if progress is None else progress.seen

    def track(self, conversation_id: str, seq: int) -> None:
        """Everything up to `seq` is known. Changes nothing when more is known already."""
        progress = self._progress.setdefault(conversation_id, _Progress(seq))
        if progress.seen is None or progress.seen < seq:
            progress.seen = seq
            progress.held = {held: frame for held, frame in progress.held.items() if held > seq}

    def accept(self, conversation_id: str, seq: int, frame: Frame) -> list[Frame]:
        """The frames whose turn has come, in order: none for a repeat, or when an earlier one is missing."""
        progress = self._progress.setdefault(conversation_id, _Progress(None if self.settling else seq - 1))
        if progress.seen is None or seq > progress.seen:
            progress.held.setdefault(seq, frame)
        return self.release(conversation_id)

    def release(self, conversation_id: str) -> list[Frame]:
        """What is held and no longer waits for anything."""
        progress = self._progress.get(conversation_id)
        ready: list[Frame] = []
        if progress is None or progress.seen is None:
            return ready
        while progress.seen + 1 in progress.held:
            progress.seen += 1
            ready.append(progress.held.pop(progress.seen))
        return ready

    def gap(self, conversation_id: str) -> Gap | None:
        """The first hole before what is held."""
        progress = self._progress.get(conversation_id)
        if progress is None or progress.seen is None or not progress.held:
            return None
        return Gap(conversation_id, progress.seen, min(progress.held))

    def skip(self, gap: Gap) -> list[Frame]:
        """Give a hole up: the frames that waited for it, in order."""
        self.track(gap.conversation_id, gap.before_seq - 1)
        return self.release(gap.conversation_id)

    def settle(self, conversation_id: str) -> list[Frame]:
        """Nobody can say where a conversation starts: with what is held. Returns it, in order."""
        progress = self._progress.get(conversation_id)
        if progress is not None and progress.seen is None and progress.held:
            progress.seen = min(progress.held) - 1
        return self.release(conversation_id)

    def unsettled(self) -> Iterable[str]:
        """Conversations with messages that are held until somebody says where they start."""
        return [name for name, progress in self._progress.items() if progress.seen is None]
