"""shared.origins: exact origins, and any port of a host."""

import re

import pytest

from shared.origins import AllowedOrigins, origin_fault

LOCAL = AllowedOrigins(["https://chat.example", "http://localhost:*", "http://127.0.0.1:*"])


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://chat.example", True),
        ("https://CHAT.example", True),
        ("http://localhost", True),
        ("http://localhost:5173", True),
        ("http://127.0.0.1:8080", True),
        ("https://localhost:5173", False),
        ("http://localhost.evil.example:80", False),
        ("http://localhost:80.evil.example", False),
        ("http://localhost:", False),
        ("https://chat.example:444", False),
        ("https://chatxexample", False),
        ("null", False),
    ],
)
def test_what_is_allowed_is_the_same_for_cors(origin: str, allowed: bool) -> None:
    assert LOCAL.allows(origin) is allowed
    assert (re.fullmatch(LOCAL.pattern, origin) is not None) is allowed


def test_an_empty_list_allows_everything() -> None:
    assert AllowedOrigins([]).allows("https://anywhere.example")


@pytest.mark.parametrize(
    "entry", ["https://a.example", "http://localhost:*", "http://[::1]:80", "capacitor://localhost"]
)
def test_an_origin(entry: str) -> None:
    assert origin_fault(entry) is None


@pytest.mark.parametrize(
    "entry", ["a.example", "https://", "https://a.example/path", "https://*.example", "http://a:b", "https://u@a"]
)
def test_no_origin(entry: str) -> None:
    assert entry in str(origin_fault(entry))
