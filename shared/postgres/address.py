"""Parses the address of a database: any URL that libpq accepts (PostgreSQL documentation, 34.1.1 «Connection Strings»).

asyncpg supports most parameters, and sends unknown ones to the server as settings, which then refuses the connection. So
parameters are sorted here: for asyncpg, for us, for the server. Unknown ones are refused by name.
"""

import random
import shlex
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from shared.urls import split_url

DEFAULT_PORT: Final = 5432
DEFAULT_CONNECT_SECONDS: Final = 5.0

_PASSED: Final = {
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslcrl": "sslcrl",
    "sslpassword": "sslpassword",
    "sslnegotiation": "sslnegotiation",
    "ssl_min_protocol_version": "ssl_min_protocol_version",
    "ssl_max_protocol_version": "ssl_max_protocol_version",
}
"""Parameters that asyncpg reads in a URL only."""
_KEYWORDS: Final = {
    "passfile",
    "krbsrvname",
    "gsslib",
    "target_session_attrs",
    "user",
    "password",
    "service",
    "servicefile",
}
"""Parameters that asyncpg's function takes as keywords."""
_WITHOUT_EFFECT: Final = {
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "client_encoding",
    "sslcompression",
    "sslsni",
    "gssencmode",
    "gssdelegation",
    "channel_binding",
    "fallback_application_name",
}
"""Parameters that are accepted without effect: asyncpg always uses UTF-8, and statements have their own time-out."""
_DEMANDS: Final = {"gssencmode": "require", "channel_binding": "require"}
"""Values that are refused, because asyncpg can't provide them."""


class AddressError(ValueError):
    """The URL can't be used; the message says why, without its password."""


@dataclass(frozen=True)
class Address:
    """The parts of a URL. `hosts`: (host, port), to which `connect` gives another order: the one that answered last comes first.

    `query`: for asyncpg's URL; `keywords`: for its function.
    """

    hosts: list[tuple[str, int]]
    database: str | None
    connect_seconds: float
    server_settings: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    keywords: dict[str, Any] = field(default_factory=dict)


def parse(url: str) -> Address:
    """Parse `url`. Raises AddressError.

    Without `target_session_attrs`, it is `read-write`, because a session that can't write is useless here.
    """
    parts = split_url(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise AddressError(f"must begin with postgresql://, not with {parts.scheme or 'nothing'}://")
    parameters = _parameters(parts.query)
    account, _, hostlist = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    keywords: dict[str, Any] = {"target_session_attrs": "read-write"}
    if user:
        keywords["user"] = unquote(user)
    if password:
        keywords["password"] = unquote(password)
    hosts = _hosts(parameters.pop("host", "") or unquote(hostlist), parameters.pop("port", ""))
    if parameters.pop("load_balance_hosts", "disable") == "random":
        random.shuffle(hosts)
    address = Address(
        hosts=hosts,
        database=parameters.pop("dbname", "") or unquote(parts.path[1:]) or None,
        connect_seconds=_seconds(parameters.pop("connect_timeout", "")),
        keywords=keywords,
    )
    if "options" in parameters:
        address.server_settings.update(_options(parameters.pop("options")))
    for name, value in parameters.items():
        _sort(address, name, value)
    return address


def _sort(address: Address, name: str, value: str) -> None:
    if name in _PASSED:
        address.query[name] = value
    elif name in _KEYWORDS:
        address.keywords[name] = value
    elif name == "application_name":
        address.server_settings[name] = value
    elif _DEMANDS.get(name) == value:
        raise AddressError(f"{name}={value} can't be kept: leave it out, and use sslmode=verify-full")
    elif name not in _WITHOUT_EFFECT:
        raise AddressError(
            f"unknown parameter {name}: see «Parameter Key Words» in PostgreSQL's documentation of libpq"
        )


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters after `?`, unescaped as in libpq: a plus sign stays a plus sign."""
    found: dict[str, str] = {}
    for item in query.split("&") if query else ():
        name, equals, value = item.partition("=")
        if not equals:
            raise AddressError(f"the parameter {unquote(name)} has no value")
        found[unquote(name)] = unquote(value)
    return found


def _hosts(hostlist: str, ports: str) -> list[tuple[str, int]]:
    """Parse `a:5432,b` or `/folder/of/a/socket`. `ports` is the value of the parameter `port`."""
    pairs = [_host(item) for item in hostlist.split(",")] if hostlist else [("localhost", None)]
    numbers = [_port(port) for port in ports.split(",")] if ports else [DEFAULT_PORT]
    if len(numbers) not in {1, len(pairs)}:
        raise AddressError(f"{len(pairs)} hosts can't have {len(numbers)} ports")
    numbers *= len(pairs) if len(numbers) == 1 else 1
    return [(host, number if port is None else port) for (host, port), number in zip(pairs, numbers, strict=True)]


def _host(item: str) -> tuple[str, int | None]:
    if item.startswith("/"):
        return item, None
    if item.startswith("["):
        host, bracket, port = item[1:].partition("]")
        if not bracket or port[:1] not in {"", ":"}:
            raise AddressError(f"{item} must be an IPv6 address in brackets, and perhaps a port: [::1]:5432")
        return host, _port(port[1:]) if port else None
    host, _, port = item.partition(":")
    if not host:
        raise AddressError("names an empty host between commas")
    return host, _port(port) if port else None


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise AddressError(f"{text} is no port: a number from 1 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    """Parse `connect_timeout` in seconds, for each host. 0 or less means no limit in libpq; here it means our default."""
    try:
        seconds = float(text or 0)
    except ValueError:
        raise AddressError(f"connect_timeout={text}: must be a number of seconds") from None
    return seconds if seconds > 0 else DEFAULT_CONNECT_SECONDS


def _options(text: str) -> dict[str, str]:
    """Parse the settings in `-c name=value --name=value`."""
    found: dict[str, str] = {}
    words = shlex.split(text)
    while words:
        word = words.pop(0)
        setting = words.pop(0) if word == "-c" and words else word.removeprefix("-c").removeprefix("--")
        name, equals, value = setting.partition("=")
        if not equals:
            raise AddressError(f"options: {word} is not understood; write -c name=value")
        found[name.replace("-", "_")] = value
    return found
