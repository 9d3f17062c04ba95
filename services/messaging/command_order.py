"""Splits the commands of a cycle into groups, each for one call of a handler, so that each conversation keeps its order."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from services.messaging.batched_commands import BatchedCommand
from shared.protocol.relay import (
    Command,
    CommandBatch,
    DeleteMessage,
    EditMessage,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
    SetReaction,
)

CommandGroup: TypeAlias = list[BatchedCommand[Command]]
"""Commands that go to the same handler together."""

_MARKS: Final = frozenset({MarkRead, MarkDelivered})
_ORDER: Final[dict[type[Any], int]] = {SendMessage: 0, EditMessage: 1, DeleteMessage: 2, SetReaction: 3}
"""The order of kinds in a round."""


def segments(batches: Iterable[CommandBatch]) -> Iterator[CommandGroup]:
    """Yield the commands of `batches`, in order, split wherever changes of blocks begin or end."""
    segment: CommandGroup = []
    for batch in batches:
        for place, command in enumerate(batch.commands):
            if isinstance(command, SendMessage | EditMessage) and command.rejected is not None:
                continue
            if segment and (type(command) is SetBlock) != (type(segment[-1][2]) is SetBlock):
                yield segment
                segment = []
            segment.append((batch, place, command))
    if segment:
        yield segment


def groups(segment: CommandGroup) -> Iterator[CommandGroup]:
    """Split a segment into what one handler call can do.

    Marks come first, because a user who read «all» had not seen messages that are sent in the same cycle. The other commands
    about each conversation keep their order, in as few rounds of sends, edits, deletions and reactions as possible: almost always
    one.
    """
    if type(segment[0][2]) is SetBlock:
        return iter((segment,))
    marks = [one for one in segment if type(one[2]) in _MARKS]
    others = [one for one in segment if type(one[2]) not in _MARKS] if len(marks) < len(segment) else []
    if all(type(one[2]) is SendMessage for one in others):
        return (group for group in (marks, others) if group)
    return (group for group in (marks, *_rounds(others)) if group)


def _rounds(commands: CommandGroup) -> list[CommandGroup]:
    phases: dict[int, CommandGroup] = {}
    latest: dict[str, int] = {}
    for one in commands:
        command: Any = one[2]
        phase = _next_phase(latest.get(command.conversation_id, 0), _ORDER[type(command)])
        latest[command.conversation_id] = phase
        phases.setdefault(phase, []).append(one)
    return [phases[phase] for phase in sorted(phases)]


def _next_phase(earliest: int, kind: int) -> int:
    """Return the first phase of this kind that is not before `earliest`. Each round has one phase of each kind."""
    return earliest + (kind - earliest) % len(_ORDER)
