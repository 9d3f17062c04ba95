"""Invalid settings end the gateway at its start, with the reason."""

import pytest

from services.gateway.settings import MAX_PER_MINUTE, GatewaySettings
from services.gateway.user_budgets import MINUTE_MS, Budget
from shared.protocol import limits
from shared.settings import load

ENVIRONMENT = {
    "CHAT_DATABASE_URL": "postgresql://nowhere/chat",
    "CHAT_AMQP_URL": "amqp://nowhere",
    "CHAT_REDIS_URLS": "redis://nowhere",
    "CHAT_JWT_SECRET": "x" * 32,
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Budgets are counted by the millisecond: more than one in half of one would refuse single sends.
        ("CHAT_MESSAGES_PER_MINUTE", "120000"),
        ("CHAT_MESSAGES_PER_MINUTE", "-1"),
        ("CHAT_CHANGES_PER_MINUTE", str(MAX_PER_MINUTE + 1)),
        ("CHAT_BLOCKS_PER_MINUTE", "many"),
        ("CHAT_STATUSES_PER_MINUTE", "1.5"),
        ("CHAT_HANDSHAKES_PER_MINUTE", str(MAX_PER_MINUTE + 1)),
        ("CHAT_EVENTS_PER_SECOND", "-1"),
        ("CHAT_CONNECTIONS_PER_USER", "-1"),
        ("CHAT_MAX_CONNECTIONS", "0"),
        ("CHAT_PONG_SECONDS", "54"),
        ("CHAT_INBOX_SECONDS", str(limits.INBOX_SECONDS + 1)),
        # Live connections keep their inboxes alive every quarter of an hour.
        ("CHAT_INBOX_SECONDS", "900"),
        ("CHAT_INBOX_SECONDS", "0"),
    ],
)
def test_nonsense_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_:
        load(GatewaySettings)
    assert exit_.value.code == 2
    assert name in capsys.readouterr().err


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load(GatewaySettings)
    assert settings.budgets == {
        Budget.MESSAGES: 30,
        Budget.CHANGES: 60,
        Budget.BLOCKS: 30,
        Budget.STATUSES: 60,
        Budget.HANDSHAKES: 60,
    }
    assert (settings.events_per_second, settings.connections_per_user) == (20, 10)
    assert settings.max_frame_bytes == 512 * 1024
    assert settings.inbox_seconds == 24 * 3600


def test_the_highest_rate_still_lets_single_events_pass() -> None:
    """One takes at least half a millisecond of the budget, so that its count moves."""
    assert round(MINUTE_MS / MAX_PER_MINUTE) >= 1
