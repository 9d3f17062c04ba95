"""Settings fail at start, naming the variable."""

import pytest

from services.gateway.settings import GatewaySettings
from services.webhooks.settings import WebhooksSettings
from shared.public_secret import PUBLIC_SECRET
from shared.settings import ServiceSettings, load

GOOD = {
    "CHAT_DATABASE_URL": "postgresql://nowhere",
    "CHAT_AMQP_URL": "amqp://nowhere",
    "CHAT_REDIS_URLS": "redis://a",
    "CHAT_ALLOWED_ORIGINS": "https://a.example, https://b.example",
    "CHAT_JWT_SECRET": "x" * 32,
}


def set_environment(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> None:
    for name, value in (GOOD | changed).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    assert load(ServiceSettings).allowed_origins == ["https://a.example", "https://b.example"]


def test_lists_of_a_service_leave_those_of_all_services_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ["http://a.example/hook", "http://b.example/hook"]
    set_environment(
        monkeypatch,
        CHAT_WEBHOOK_URLS=",".join(urls),
        CHAT_WEBHOOK_SECRET="whsec_bG9jYWwtZGV2ZWxvcG1lbnQtd2ViaG9vay1zZWNyZXQ=",
        CHAT_WEBHOOK_PRIVATE_HOSTS="a.internal, b.internal",
        CHAT_MEDIA_ALLOWED_HOSTS="c.example, d.example",
    )
    gateway, webhooks = load(GatewaySettings), load(WebhooksSettings)
    assert gateway.webhook_urls == webhooks.webhook_urls == urls
    assert gateway.media_allowed_hosts == ["c.example", "d.example"]
    assert webhooks.webhook_private_hosts == ["a.internal", "b.internal"]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, CHAT_JWT_SECRET="", CHAT_JWKS_URL="https://id.example/keys", CHAT_REST_BURST="")
    settings = load(ServiceSettings)
    assert settings.jwt_secret is None
    assert settings.rest_burst == 100


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"CHAT_DATABASE_URL": None}, "CHAT_DATABASE_URL"),
        ({"CHAT_REDIS_URLS": ""}, "CHAT_REDIS_URLS"),
        ({"CHAT_REDIS_URLS": "redis://a,redis://b"}, "redis+cluster://"),
        ({"CHAT_REDIS_URLS": "http://a"}, "begins with redis://"),
        ({"CHAT_REDIS_URLS": "redis+sentinel://a:26379"}, "ends with the master's name"),
        ({"CHAT_REDIS_URLS": "redis+cluster://a?db=1"}, "database 0 only"),
        ({"CHAT_JWT_SECRET": "short"}, "CHAT_JWT_SECRET must have at least 32 bytes"),
        ({"CHAT_JWT_SECRET": PUBLIC_SECRET, "CHAT_HTTP_HOST": "0.0.0.0"}, "which everybody knows"),
        ({"CHAT_JWT_SECRET": None}, "CHAT_JWKS_URL"),
        ({"CHAT_JWKS_URL": "https://id.example/keys"}, "exactly one"),
        ({"CHAT_HTTP_PORT": "chat"}, "CHAT_HTTP_PORT"),
        ({"CHAT_LOG_LEVEL": "loud"}, "CHAT_LOG_LEVEL"),
        ({"CHAT_ALLOWED_ORIGINS": "chat.example"}, "CHAT_ALLOWED_ORIGINS"),
        ({"CHAT_AMQP_URL": "http://nowhere"}, "CHAT_AMQP_URL"),
    ],
)
def test_a_bad_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changed: dict[str, str | None], named: str
) -> None:
    set_environment(monkeypatch, **changed)
    with pytest.raises(SystemExit) as exit_:
        load(ServiceSettings)
    assert exit_.value.code == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("where", [{}, {"CHAT_HTTP_HOST": "0.0.0.0", "CHAT_PUBLIC_SECRETS": "1"}])
def test_the_public_secret_serves_to_try_the_system(monkeypatch: pytest.MonkeyPatch, where: dict[str, str]) -> None:
    set_environment(monkeypatch, CHAT_JWT_SECRET=PUBLIC_SECRET, **where)
    assert load(ServiceSettings).jwt_secret is not None


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    set_environment(monkeypatch, CHAT_HTTP_PORT="-1")
    with pytest.raises(SystemExit):
        load(ServiceSettings)
    assert "x" * 32 not in capsys.readouterr().err


def test_a_misspelt_name_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    set_environment(monkeypatch, CHAT_MESAGES_PER_MINUTE="5", CHAT_MESSAGES_PER_MINUTE="5")
    load(ServiceSettings)
    told = capsys.readouterr().err
    assert "CHAT_MESAGES_PER_MINUTE: nothing reads this variable; did you mean CHAT_MESSAGES_PER_MINUTE?" in told
    assert told.count("\n") == 1
