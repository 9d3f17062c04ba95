"""Endpoints that may be posted to, and those that may not."""

import pytest

from services.notifier.settings import PUSH_SERVICES
from services.notifier.webpush.allowlist import AllowList, EndpointRefused

LIST = AllowList([*PUSH_SERVICES, "http://127.0.0.1:9999", "https://push.internal:8443"])


@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        ("https://fcm.googleapis.com/fcm/send/dpH5lCsTSSM:APA91bHqjZxM0VImWWqDRN7U0a3AycjUf4O", "fcm.googleapis.com"),
        ("https://fcm.googleapis.com:443/wp/abc", "fcm.googleapis.com"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAAAA", "updates.push.services.mozilla.com"),
        ("https://autopush.stage.push.services.mozilla.com/wpush/v1/a", "*.push.services.mozilla.com"),
        ("https://web.push.apple.com/QGuQyavXutnMH", "web.push.apple.com"),
        ("https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%3d%3d", "*.notify.windows.com"),
        ("http://127.0.0.1:9999/push/abc", "http://127.0.0.1:9999"),
        ("https://push.internal:8443/a", "https://push.internal:8443"),
    ],
)
def test_push_services_are_allowed(endpoint: str, service: str) -> None:
    assert LIST.service_of(LIST.parse(endpoint)) == service


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "fcm.googleapis.com/a",
        "//fcm.googleapis.com/a",
        "http://fcm.googleapis.com/a",
        "ftp://fcm.googleapis.com/a",
        "https://fcm.googleapis.com:8443/a",
        "https://fcm.googleapis.com:99999/a",
        "https://user@fcm.googleapis.com/a",
        "https://user:pass@fcm.googleapis.com/a",
        "https://@fcm.googleapis.com/a",
        "https://fcm.googleapis.com@evil.example/a",
        "https://evil.example#@fcm.googleapis.com/a",
        "https://fcm.googleapis.com#@evil.example/a",
        "https://evil.example\\@fcm.googleapis.com/a",
        "https://fcm.googleapis.com./a",
        "https://fcm.googleapis.com.evil.example/a",
        "https://evilfcm.googleapis.com/a",
        "https://notify.windows.com/a",
        "https://evilnotify.windows.com/a",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://localhost/a",
        "http://127.0.0.1:9998/a",
        "https://127.0.0.1:9999/a",
        "http://127.0.0.1:9999@evil.example/a",
        "http://user@127.0.0.1:9999/a",
        "https://fcm.googleapis.com/a b",
        "https://fcm.googleapis.com/a\r\nHost: evil",
        "https://fcm.googleapis.com/ü",
        "https://fcm.googleap\u0131s.com/",
        "https://fcm.googleapis.com/" + "a" * 2048,
        "https://fcm%2egoogleapis.com/a",
        "https:///a",
        "https://:443/a",
        "https://.push.apple.com/",
        "https://a..push.apple.com/",
        "https://-a.push.apple.com/",
        "https://a-.push.apple.com/",
        f"https://{'a' * 64}.push.apple.com/",
    ],
)
def test_everything_else_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointRefused, match="endpoint: "):
        LIST.parse(endpoint)


def test_the_url_is_posted_to_as_it_was_given() -> None:
    endpoint = "https://wns2-par02p.notify.windows.com/w/?token=BQ%2fA%3d%3d&x=+"
    assert str(LIST.parse(endpoint)) == endpoint


def test_only_whole_origins_are_trusted() -> None:
    assert LIST.trusts(LIST.parse("http://127.0.0.1:9999/a"))
    assert not LIST.trusts(LIST.parse("https://fcm.googleapis.com/a"))


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "com",
        "127.0.0.1",
        "http://",
        "http://a/b",
        "ftp://push.example",
        "a b.example",
        "http://u@a.example",
    ],
)
def test_entries_that_make_no_sense_are_refused_at_start(entry: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        AllowList([entry])


def test_entries_are_case_insensitive() -> None:
    assert AllowList(["Push.Example.COM"]).parse("https://push.example.com/a").host == "push.example.com"
