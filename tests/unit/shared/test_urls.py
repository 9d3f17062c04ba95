"""shared.urls: the same as urllib, for several hosts too."""

from urllib.parse import urlsplit

import pytest

from shared.redis.topology import topology_of
from shared.urls import split_url

SEVERAL = "user:p@[::1]:5432,[fe80::2],c"


@pytest.mark.parametrize("after", ["", "/", "/name", "/name?a=b/c", "?a=b", "#part", "/name#part?"])
def test_hosts_end_where_path_query_or_fragment_begins(after: str) -> None:
    assert split_url(f"scheme://{SEVERAL}{after}") == urlsplit(f"scheme://one{after}")._replace(netloc=SEVERAL)


@pytest.mark.parametrize(
    "url", ["postgresql:///x?host=a", "amqp://a:b@c:1/v", "http://[::1]:1/x", "nothing", "", "mailto:a@b", "redis://"]
)
def test_other_urls_are_split_as_usual(url: str) -> None:
    assert split_url(url) == urlsplit(url)


@pytest.mark.parametrize("url", ["redis+cluster://[::1]:1,[::2]:2", "redis+sentinel://[::1]:1,[::2]:2/main"])
def test_servers_of_redis_may_have_ipv6_addresses(url: str) -> None:
    topology_of(url, 4)
