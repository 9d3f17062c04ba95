"""Which URLs a message may point to, whoever sends or imports it."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field

from shared.protocol.client import Media
from shared.settings import CommaList, ServiceSettings

_NEVER_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\s\\]")
"""Control characters, white space and backslashes, which browsers drop or take for something else."""


class MediaHostSettings(ServiceSettings):
    """Settings of the services that take messages from outside."""

    media_allowed_hosts: CommaList = Field(
        default_factory=list,
        description="Beside any https URL, media may lie on these hosts by http. An entry is a host or a whole origin.",
    )


class MediaHosts:
    """Where attachments may lie: anywhere by https, and on the operator's hosts or origins."""

    def __init__(self, allowed: list[str]) -> None:
        self._origins = {entry.rstrip("/").lower() for entry in allowed if "://" in entry}
        self._hosts = {entry.lower() for entry in allowed if "://" not in entry}

    def fault(self, media: Iterable[Media]) -> str | None:
        """The first field that points where it must not, such as `media[0].url`; None when all may be sent."""
        for place, item in enumerate(media):
            for field, url in (("url", item.url), ("thumbnail", item.thumbnail)):
                if url is not None and not self.allows(url):
                    return f"media[{place}].{field}"
        return None

    def allows(self, url: str) -> bool:
        """True when a message may point to `url`."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return False
        scheme = parts.scheme.lower()
        if not host or scheme not in {"http", "https"} or parts.username is not None:
            return False
        if _NEVER_IN_URLS.search(url):
            # urlsplit takes some of these out before it looks; what we store is what others will open.
            return False
        if scheme == "https" or host in self._hosts or parts.netloc.lower() in self._hosts:
            return True
        return f"{scheme}://{parts.netloc.lower()}" in self._origins
