"""shared.media_hosts: which URLs attachments may have."""

import pytest

from shared.media_hosts import MediaHosts

LISTED = ["cdn.example", "https://files.example", "http://127.0.0.1:9999"]
PLAIN_ORIGINS = ["http://127.0.0.1:9999", "HTTP://cdn.example", "http://cdn.example:8080"]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://cdn.example/a", True),
        ("http://cdn.example/a", True),
        ("HTTPS://CDN.example/a", True),
        ("https://files.example/a", True),
        ("http://files.example/a", False),
        ("http://127.0.0.1:9999/a", True),
        ("https://127.0.0.1:9999/a", False),
        ("https://anywhere.example/a", False),
        ("https://cdn.example.evil.example/a", False),
    ],
)
def test_listed_hosts_restrict_where_media_may_lie(url: str, allowed: bool) -> None:
    assert MediaHosts(LISTED).allows(url) is allowed


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://anywhere.example/a", True),
        ("http://cdn.example/a", True),
        ("http://other.example/a", False),
        ("http://127.0.0.1:9999/a", True),
        ("http://127.0.0.1:9998/a", False),
        ("HTTPS://UPPER.example/a", True),
        ("ftp://cdn.example/a", False),
        ("javascript:alert(1)", False),
        ("//cdn.example/a", False),
        ("https://user:password@cdn.example/a", False),
        ("https://", False),
        ("https://[broken/a", False),
        ("http://cdn.example.evil.example/a", False),
        ("http://cdn.example:8080/a", True),
        ("https://a.example/รูป.jpg?x=1#y", True),
        ("https://[::1]/a", True),
        ("https://@a.example/", False),
        ("https:a.example/", False),
        ("https://a.example:x/", False),
        ("https://a.example:99999/", False),
        (" https://a.example/", False),
        ("https://a.example/a b", False),
        ("https://a.ex\nample/", False),
        ("https://a.example/\r\nSet-Cookie: x", False),
        ("https://a.example/\ta", False),
        ("https://a.example/\x7f", False),
        ("https://a.example/\u3000", False),
        ("https://a.example\\@b.example/", False),
    ],
)
def test_any_https_url_is_allowed_beside_http_origins(url: str, allowed: bool) -> None:
    assert MediaHosts(PLAIN_ORIGINS).allows(url) is allowed


def test_any_https_url_is_allowed_when_nothing_is_listed() -> None:
    assert MediaHosts([]).allows("https://anywhere.example/a")
    assert not MediaHosts([]).allows("http://anywhere.example/a")
