"""The rule that decides about a push."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.decision import Receiver, Verdict, decide
from services.notifier.push_settings import PushSettings
from services.notifier.quiet_hours import QuietHours
from tests.unit.services.notifier.test_notification import message

CREATED_MS = 1_704_106_800_000
NOW = datetime.fromtimestamp(CREATED_MS / 1000 + 5, UTC)
LATER, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
MUTED, NO_LONGER_MUTED = PushSettings(muted_until=LATER), PushSettings(muted_until=EARLIER)
ALL_DAY = PushSettings(quiet_hours=QuietHours("UTC", 1, 0))


@pytest.mark.parametrize(
    ("receiver", "verdict"),
    [
        (Receiver(), Verdict.PUSH),
        (Receiver(has_up_to=6), Verdict.PUSH),
        (Receiver(has_up_to=7), Verdict.DELIVERED),
        (Receiver(has_up_to=9), Verdict.DELIVERED),
        (Receiver(blocked=True), Verdict.BLOCKED),
        (Receiver(reachable=True), Verdict.REACHABLE),
        (Receiver(message_deleted=True), Verdict.DELETED),
        (Receiver(message_text="x"), Verdict.PUSH),
        (Receiver(settings=MUTED), Verdict.MUTED),
        (Receiver(settings=NO_LONGER_MUTED), Verdict.PUSH),
        (Receiver(conversation_muted_until=LATER), Verdict.CONVERSATION_MUTED),
        (Receiver(conversation_muted_until=EARLIER), Verdict.PUSH),
        (Receiver(settings=ALL_DAY), Verdict.QUIET_HOURS),
        (Receiver(has_up_to=9, blocked=True, reachable=True), Verdict.BLOCKED),
        # Whoever is there needs no push: that isn't held against the mute.
        (Receiver(reachable=True, settings=MUTED), Verdict.REACHABLE),
    ],
)
def test_a_message_with_seq_7(receiver: Receiver, verdict: Verdict) -> None:
    assert decide(message(), receiver, now=NOW, ttl_seconds=60) is verdict


@pytest.mark.parametrize(("age_seconds", "verdict"), [(59.999, Verdict.PUSH), (60, Verdict.EXPIRED)])
def test_an_old_message_is_not_worth_a_push(age_seconds: float, verdict: Verdict) -> None:
    now = datetime.fromtimestamp(CREATED_MS / 1000 + age_seconds, UTC)
    assert decide(message(), Receiver(), now=now, ttl_seconds=60) is verdict
