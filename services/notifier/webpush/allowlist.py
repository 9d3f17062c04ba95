"""The allow-list of URLs to post to. Endpoints come from users, who could otherwise direct our requests anywhere."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from yarl import URL

from services.notifier.targets import TargetRefused
from shared.protocol import limits

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ENDPOINT: Final = re.compile(
    rf"https?://({_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?([/?][!#-\[\]^-~]*)?", re.ASCII
)
"""A host in lower case, an optional port, and printable ASCII.

Everything about which URL parsers disagree is refused: user information, spaces, quotes, backslashes, percent signs in the host,
empty labels and ports.
"""
_HOST: Final = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9][a-z0-9-]*")


class EndpointRefused(TargetRefused):
    """The endpoint isn't allowed. The text tells the client why."""


class AllowList:
    """Push services by host name, `*.domain`, or whole origin.

    An origin (`http://127.0.0.1:9999`) is trusted: its address isn't checked. Raises ValueError for any other entry.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._hosts: set[str] = set()
        self._domains: dict[str, str] = {}
        self._origins: set[str] = set()
        for entry in entries:
            self._add(entry.lower())

    def parse(self, endpoint: str) -> URL:
        """Return `endpoint` as the URL to post to. Raises EndpointRefused."""
        if len(endpoint) > limits.MAX_URL_CHARACTERS:
            raise EndpointRefused(f"endpoint: longer than {limits.MAX_URL_CHARACTERS} characters")
        if _ENDPOINT.fullmatch(endpoint) is None:
            raise EndpointRefused("endpoint: not an absolute URL in ASCII, without user information")
        try:
            url = URL(endpoint, encoded=True)
            url.explicit_port  # noqa: B018 - yarl parses it only now
        except ValueError:
            raise EndpointRefused("endpoint: must be a URL") from None
        if url.raw_fragment:
            raise EndpointRefused("endpoint: a fragment is not allowed in it")
        self.service_of(url)
        return url

    def service_of(self, url: URL) -> str:
        """Return the entry that allows `url`: one entry is one push service. Raises EndpointRefused."""
        if self.trusts(url):
            return str(url.origin())
        if url.scheme != "https" or url.port != 443:
            raise EndpointRefused("endpoint: must be https on port 443")
        host = url.raw_host or ""
        if host in self._hosts:
            return host
        for domain, entry in self._domains.items():
            if host.endswith(domain):
                return entry
        raise EndpointRefused(f"endpoint: {host} is not an allowed push service")

    def is_wildcard(self, service: str) -> bool:
        """Return True when users can invent hosts of this service."""
        return service.startswith("*.")

    def trusts(self, url: URL) -> bool:
        """Return True when the operator named exactly this origin."""
        return str(url.origin()) in self._origins

    def _add(self, entry: str) -> None:
        if "://" in entry:
            url = URL(entry)
            if url.scheme not in {"http", "https"} or not url.host or str(url.origin()) != entry.rstrip("/"):
                raise ValueError(f"{entry}: not an origin, such as https://push.example")
            self._origins.add(str(url.origin()))
        elif _HOST.fullmatch(entry) is None or _is_address(entry):
            raise ValueError(f"{entry}: not a host name, *.host name, or origin such as https://push.example")
        elif entry.startswith("*."):
            self._domains[entry[1:]] = entry
        else:
            self._hosts.add(entry)


def _is_address(entry: str) -> bool:
    try:
        ip_address(entry)
    except ValueError:
        return False
    return True
