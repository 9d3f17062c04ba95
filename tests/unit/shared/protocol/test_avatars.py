"""Which URLs an avatar may have."""

import pytest

from shared.protocol.avatars import avatar_fault


@pytest.mark.parametrize(
    "url", ["https://cdn.example/a.png", "https://cdn.example:8443/a?b=c#d", "https://8.8.8.8/a", "HTTPS://a.example"]
)
def test_https_urls_of_public_hosts(url: str) -> None:
    assert avatar_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:image/png;base64,AA==",
        "http://cdn.example/a.png",
        "https://",
        "//cdn.example/a.png",
        "https://user@cdn.example/a.png",
        "https://cdn.example/a\r\nSet-Cookie: a=b",
        "https://cdn.example/a b",
        "https:\\\\cdn.example/a",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a",
        "https://[::1/a",
        "https://10.0.0.1/a",
        "https://localhost/a",
        "https://localhost./a",
        "https://127.0.0.1./a",
        "https://2130706433/a",
        "https://0x7f.1/a",
        "https://metadata.google.internal/a",
        "https://cdn.example:99999/a",
        "https://cdn.example/\ud800",
        "https://cdn.example/" + "a" * 2_048,
        "",
    ],
)
def test_all_others_have_a_fault(url: str) -> None:
    assert avatar_fault(url)
