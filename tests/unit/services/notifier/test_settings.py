"""Wrong settings prevent the start, and are named."""

import pytest

from services.notifier.settings import NotifierSettings
from services.notifier.webpush.vapid import VapidKey
from shared.settings import load

REQUIRED = {
    "CHAT_DATABASE_URL": "postgresql://127.0.0.1/chat",
    "CHAT_AMQP_URL": "amqp://127.0.0.1/",
    "CHAT_REDIS_URLS": "redis://127.0.0.1/0",
    "CHAT_JWT_SECRET": "unit-test-secret-0123456789abcdefgh",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    for name in ("CHAT_VAPID_PRIVATE_KEY", "CHAT_VAPID_SUBJECT", "CHAT_PUSH_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)


def test_everything_has_a_default_but_the_backends() -> None:
    settings = load(NotifierSettings)
    assert settings.vapid_private_key is None
    assert "fcm.googleapis.com" in settings.push_allowed_hosts


def test_lists_have_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = f"{VapidKey.generate().private_text()},{VapidKey.generate().private_text()}"
    monkeypatch.setenv("CHAT_VAPID_PRIVATE_KEY", keys)
    monkeypatch.setenv("CHAT_PUSH_ALLOWED_HOSTS", "http://127.0.0.1:9999, push.example.com")
    settings = load(NotifierSettings)
    assert settings.push_allowed_hosts == ["http://127.0.0.1:9999", "push.example.com"]
    assert settings.vapid_private_key is not None
    assert settings.vapid_private_key.get_secret_value() == keys


def test_an_empty_key_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_VAPID_PRIVATE_KEY", "")
    assert load(NotifierSettings).vapid_private_key is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAT_VAPID_PRIVATE_KEY", "not a key"),
        ("CHAT_VAPID_PRIVATE_KEY", "AAAA"),
        ("CHAT_VAPID_SUBJECT", "me@example.com"),
        ("CHAT_PUSH_ALLOWED_HOSTS", "127.0.0.1"),
        ("CHAT_PUSH_ALLOWED_HOSTS", ","),
        ("CHAT_PUSH_TIMEOUT_SECONDS", "0"),
    ],
)
def test_nonsense_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(NotifierSettings)
    printed = capsys.readouterr().err
    assert printed.startswith(f"{name}:")
    assert name != "CHAT_VAPID_PRIVATE_KEY" or value not in printed


def test_a_platform_s_notifier_needs_a_real_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAT_JWT_SECRET")
    monkeypatch.setenv("CHAT_JWKS_URL", "https://id.example.com/keys")
    monkeypatch.setenv("CHAT_VAPID_PRIVATE_KEY", VapidKey.generate().private_text())
    with pytest.raises(SystemExit):
        load(NotifierSettings)
    monkeypatch.setenv("CHAT_VAPID_SUBJECT", "mailto:push@example.com")
    assert not load(NotifierSettings).has_local_subject


def test_a_key_for_apns_needs_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_APNS_KEY", "-----BEGIN PRIVATE KEY-----")
    with pytest.raises(SystemExit):
        load(NotifierSettings)
