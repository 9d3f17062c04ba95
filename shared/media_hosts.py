"""Which URLs messages may contain as media."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field

from shared.protocol.client import Media
from shared.settings import CommaList, ServiceSettings

_NEVER_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\s\\]")
"""Control characters, white space and backslashes, which browsers drop or reinterpret."""


class MediaHostSettings(ServiceSettings):
    """Settings of the services that accept messages from outside."""

    media_allowed_hosts: CommaList = Field(
        default_factory=list,
        description="The media of messages must be on these hosts, with `https` or `http`. An entry is a host or an origin. "
        "Empty, or with no entries but `http://` origins: any `https` URL is allowed, too.",
    )


class MediaHosts:
    """Allowed locations of attachments: the operator's hosts or origins.

    Any https URL is allowed until the operator names a host or an https origin.
    """

    def __init__(self, allowed: list[str]) -> None:
        self._any_https = all(entry.lower().startswith("http://") for entry in allowed)
        self._origins = {entry.rstrip("/").lower() for entry in allowed if "://" in entry}
        self._hosts = {entry.lower() for entry in allowed if "://" not in entry}

    def fault(self, media: Iterable[Media]) -> str | None:
        """Return the first field with a URL that isn't allowed, such as `media[0].url`; None when all are allowed."""
        for place, item in enumerate(media):
            for field, url in (("url", item.url), ("thumbnail", item.thumbnail)):
                if url is not None and not self.allows(url):
                    return f"media[{place}].{field}"
        return None

    def allows(self, url: str) -> bool:
        """Return True when a message may contain `url`."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return False
        scheme = parts.scheme.lower()
        if not host or scheme not in {"http", "https"} or parts.username is not None:
            return False
        if _has_stray_characters(url):
            # urlsplit removes some of these characters first, but clients open the URL as it is stored.
            return False
        if host in self._hosts or parts.netloc.lower() in self._hosts or (self._any_https and scheme == "https"):
            return True
        return f"{scheme}://{parts.netloc.lower()}" in self._origins


def _has_stray_characters(url: str) -> bool:
    """Return whether `_NEVER_IN_URLS` finds something. Nearly all URLs are ASCII, for which this takes a tenth of the time."""
    if url.isascii():
        return not url.isprintable() or " " in url or "\\" in url
    return _NEVER_IN_URLS.search(url) is not None
