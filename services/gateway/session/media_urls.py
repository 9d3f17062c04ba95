"""Which URLs a message may point to."""

import re
from typing import Final
from urllib.parse import urlsplit

_NEVER_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\s\\]")
"""Control characters, white space and backslashes, which browsers drop or take for something else."""


class MediaHosts:
    """Where attachments may lie: anywhere by https, and on the operator's hosts or origins."""

    def __init__(self, allowed: list[str]) -> None:
        self._origins = {entry.rstrip("/").lower() for entry in allowed if "://" in entry}
        self._hosts = {entry.lower() for entry in allowed if "://" not in entry}

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
