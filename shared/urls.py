"""URLs that name several hosts, as those of databases and brokers do."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

_AFTER_HOSTS: Final = "/?#"
"""The first of these ends the hosts (RFC 3986, section 3.2)."""


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL as `urlsplit` does, also when `netloc` names several hosts by IPv6 address.

    `urlsplit` itself refuses them since Python 3.11.12, 3.12.9 and 3.13.2, because RFC 3986 allows one host only.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return urlsplit(url)
    end = min((rest.index(character) for character in _AFTER_HOSTS if character in rest), default=len(rest))
    return urlsplit(f"{scheme}{mark}{rest[end:]}")._replace(netloc=rest[:end])
