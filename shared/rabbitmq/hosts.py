"""Splits a URL that names several nodes of a cluster into one URL for each node."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from shared.urls import split_url

SCHEMES: Final = ("amqp", "amqps")


def split_hosts(url: str) -> list[str]:
    """Return one URL for each host of `url`. `amqp://user:password@a:5672,b:5672/vhost` names two hosts.

    Raises ValueError, whose text names the fault but not the password.
    """
    parts = split_url(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"must begin with amqp:// or amqps://, not with {parts.scheme or 'nothing'}://")
    account, at, hosts = parts.netloc.rpartition("@")
    found = [host.strip() for host in hosts.split(",")]
    if not all(found):
        raise ValueError("names no host, or has an empty one between commas")
    urls = [urlunsplit(parts._replace(netloc=f"{account}{at}{host}")) for host in found]
    for one, host in zip(urls, found, strict=True):
        _check_port(one, host)
    return urls


def _check_port(url: str, host: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(f"the port of {host} is not a number from 0 to 65535") from None
