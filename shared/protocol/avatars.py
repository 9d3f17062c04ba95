"""Which URLs an avatar may have: the same for `PATCH /chat/users/me` and for the claim `picture`."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from shared.protocol import limits

_NEVER_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\s\\\ud800-\udfff]")
"""Control characters, white space and backslashes, which browsers drop or reinterpret; lone surrogates."""


def avatar_fault(url: str) -> str | None:
    """Return why `url` can't be an avatar, as a text for the client; None when it can."""
    if len(url) > limits.MAX_URL_CHARACTERS:
        return f"an avatar's URL has at most {limits.MAX_URL_CHARACTERS} characters"
    if _NEVER_IN_URLS.search(url):
        return "an avatar's URL has no white space, backslash or control character"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "an avatar is a URL"
    if parts.scheme.lower() != "https" or not host or parts.username is not None:
        return "an avatar is an https URL with a host and without a user"
    return None if _is_public(host) else "an avatar's host is a public one"


def _is_public(host: str) -> bool:
    """Return False for addresses of private networks, of this machine, and of clouds' metadata services.

    Names are not resolved. Browsers take a host that ends in a number for an IPv4 address, such as 2130706433 and 0x7f.1 (URL
    standard, «ends in a number checker»).
    """
    name = host.removesuffix(".")
    try:
        return ip_address(name).is_global
    except ValueError:
        last = name.rpartition(".")[2]
        is_number = last.isdecimal() or last.startswith("0x")
        return not is_number and name != "localhost" and not name.endswith((".localhost", ".local", ".internal"))
