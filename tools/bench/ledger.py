"""Records which messages were sent, acknowledged and received, and checks that none is lost, doubled or out of order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

MAX_EXAMPLES: Final = 5

Stored = dict[str, list[tuple[int, int]]]
"""Account's name → (number, seq) of each message of this run, by seq."""


class Verdict(msgspec.Struct, frozen=True):
    """Counts of messages, and the faults that were found. Without `faults`, all is well."""

    acknowledged: int
    received: int
    stored: int
    faults: list[str]


@dataclass(slots=True)
class Account:
    """One conversation with one sender. `acknowledged` and `received` hold (number, seq) as they came.

    A message's number is 0, 1, 2 … in the order in which it was sent. `base_seq`: the last seq before this run.
    """

    name: str
    sent: int = 0
    base_seq: int = 0
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    received: list[tuple[int, int]] = field(default_factory=list)
    refused: int = 0

    @property
    def outstanding(self) -> int:
        """Messages that were sent and not answered yet."""
        return self.sent - len(self.acknowledged) - self.refused


def judge(accounts: Sequence[Account], stored: Stored) -> Verdict:
    """Compare what peers received with the stored history."""
    faults: list[str] = []
    for account in accounts:
        history = stored.get(account.name, [])
        faults += [f"{account.name}: {fault}" for fault in _faults(account, history)]
    return Verdict(
        acknowledged=sum(len(account.acknowledged) for account in accounts),
        received=sum(len(account.received) for account in accounts),
        stored=sum(len(history) for history in stored.values()),
        faults=faults[:MAX_EXAMPLES]
        + ([f"… and {len(faults) - MAX_EXAMPLES} more"] if len(faults) > MAX_EXAMPLES else []),
    )


def _faults(account: Account, history: list[tuple[int, int]]) -> list[str]:
    faults: list[str] = []
    seqs = [seq for _, seq in history]
    if seqs != list(range(account.base_seq + 1, account.base_seq + 1 + len(seqs))):
        faults.append("history has a gap in seq")
    for what, pairs in (("acknowledged", account.acknowledged), ("received", account.received)):
        if len(set(pairs)) != len(pairs):
            faults.append(f"{what} twice")
        if pairs != sorted(pairs) or [seq for _, seq in pairs] != sorted(seq for _, seq in pairs):
            faults.append(f"{what} out of order")
        if missing := set(pairs) - set(history):
            faults.append(f"{len(missing)} {what} but not stored as such, such as {min(missing)}")
    if lost := set(account.acknowledged) - set(account.received):
        faults.append(f"{len(lost)} acknowledged but not received, such as {min(lost)}")
    if account.outstanding:
        faults.append(f"{account.outstanding} never answered")
    return faults
