"""shared.media_hosts: which URLs attachments may have."""

import pytest

from shared.media_hosts import MediaHosts


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
def test_where_media_may_lie(url: str, allowed: bool) -> None:
    assert MediaHosts(["cdn.example", "http://127.0.0.1:9999"]).allows(url) is allowed
