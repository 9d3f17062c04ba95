"""Push or not: the rules alone."""

import pytest

from services.notifier.decision import Receiver, Verdict, decide
from tests.unit.services.notifier.test_notification import message

CREATED_MS = 1_704_106_800_000


@pytest.mark.parametrize(
    ("receiver", "verdict"),
    [
        (Receiver(has_up_to=0, blocked=False, reachable=False), Verdict.PUSH),
        (Receiver(has_up_to=6, blocked=False, reachable=False), Verdict.PUSH),
        (Receiver(has_up_to=7, blocked=False, reachable=False), Verdict.DELIVERED),
        (Receiver(has_up_to=9, blocked=False, reachable=False), Verdict.DELIVERED),
        (Receiver(has_up_to=0, blocked=True, reachable=False), Verdict.BLOCKED),
        (Receiver(has_up_to=0, blocked=False, reachable=True), Verdict.REACHABLE),
        (Receiver(has_up_to=9, blocked=True, reachable=True), Verdict.BLOCKED),
    ],
)
def test_a_message_with_seq_7(receiver: Receiver, verdict: Verdict) -> None:
    assert decide(message(), receiver, now_ms=CREATED_MS + 5_000, ttl_seconds=60) is verdict


@pytest.mark.parametrize(("age_ms", "verdict"), [(59_999, Verdict.PUSH), (60_000, Verdict.EXPIRED)])
def test_an_old_message_is_not_worth_a_push(age_ms: int, verdict: Verdict) -> None:
    receiver = Receiver(has_up_to=0, blocked=False, reachable=False)
    assert decide(message(), receiver, now_ms=CREATED_MS + age_ms, ttl_seconds=60) is verdict
