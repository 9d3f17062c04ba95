"""Handles commands that change stored messages: edits, deletions, reactions."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from services.messaging import metrics
from services.messaging.batched_commands import BatchedCommand, key_of, reply_address_of
from services.messaging.fanout.change_events import add_message_deleted, add_message_updated, add_reaction_updated
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.stores.changes import Changes, Deleted, Edited, Reacted
from shared.protocol import limits
from shared.protocol.errors import ErrorCode
from shared.protocol.references import reference_of
from shared.protocol.relay import DeleteMessage, EditMessage, SetReaction

C = TypeVar("C", EditMessage, DeleteMessage, SetReaction)
R = TypeVar("R", Edited, Deleted, Reacted)
_DONE: Final = frozenset({"edited", "deleted", "changed", "repeated"})
_REFUSALS: Final = {
    "too_late": (ErrorCode.NOT_ALLOWED, "This message is too old to be edited"),
    "empty": (ErrorCode.VALIDATION_ERROR, "content: the text can't be removed; delete the message instead"),
    "too_big": (
        ErrorCode.VALIDATION_ERROR,
        f"content: the message would be larger than {limits.MAX_STORED_EVENT_BYTES} bytes as JSON",
    ),
    "too_many": (
        ErrorCode.VALIDATION_ERROR,
        f"emoji: at most {limits.MAX_REACTIONS_PER_USER} different ones on a message; take one back first",
    ),
}
"""Error code and message for the store's verdicts that aren't error codes themselves."""


class ChangeHandlers:
    """One method for each kind of change. Every method adds to the effects and raises what the store raises."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def edit(self, commands: Sequence[BatchedCommand[EditMessage]], effects: CycleEffects) -> None:
        """Edit messages, and announce the edits."""
        with metrics.EDIT_SECONDS.time():
            results = await self._changes.edit([(edit, key_of(batch, place, edit)) for batch, place, edit in commands])
        _answer("edit", commands, results, effects, add_message_updated)

    async def delete(self, commands: Sequence[BatchedCommand[DeleteMessage]], effects: CycleEffects) -> list[str]:
        """Delete messages, and announce the deletions. Returns the verdict on each."""
        with metrics.DELETE_SECONDS.time():
            results = await self._changes.delete([command for _, _, command in commands])
        _answer("delete", commands, results, effects, add_message_deleted)
        return [result.verdict for result in results]

    async def react(self, commands: Sequence[BatchedCommand[SetReaction]], effects: CycleEffects) -> None:
        """Set or remove reactions, and announce the changes."""
        with metrics.REACT_SECONDS.time():
            results = await self._changes.react([command for _, _, command in commands])
        _answer("react", commands, results, effects, add_reaction_updated)


def _answer(
    kind: str,
    commands: Sequence[BatchedCommand[C]],
    results: Sequence[R],
    effects: CycleEffects,
    announce: Callable[..., None],
) -> None:
    """Announce what was done, answer the other commands with an error, and count the verdicts."""
    for (batch, _, command), result in zip(commands, results, strict=True):
        if result.verdict in _DONE:
            announce(effects, command, result, again=batch.again)
        else:
            code, message = _REFUSALS.get(result.verdict) or (ErrorCode(result.verdict), None)
            effects.refuse(reply_address_of(batch, command), code, reference_of(command), message)
    metrics.count_verdicts(kind, (result.verdict for result in results))
