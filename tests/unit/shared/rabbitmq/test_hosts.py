"""The nodes that a broker's URL names."""

import pytest

from shared.rabbitmq import split_hosts


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("amqp://a:b@one/", ["amqp://a:b@one/"]),
        ("amqps://a:b@one:1,two:2/host?x=1", ["amqps://a:b@one:1/host?x=1", "amqps://a:b@two:2/host?x=1"]),
        ("amqp://a:p%40s@one, two", ["amqp://a:p%40s@one", "amqp://a:p%40s@two"]),
        ("amqp://one,two/%2F", ["amqp://one/%2F", "amqp://two/%2F"]),
        ("amqp://a@[::1]:5,[::2]:6/", ["amqp://a@[::1]:5/", "amqp://a@[::2]:6/"]),
    ],
)
def test_each_host_has_a_url(url: str, urls: list[str]) -> None:
    assert split_hosts(url) == urls


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://one/", "amqp:// or amqps://"),
        ("one:5672", "amqp:// or amqps://"),
        ("amqp:///", "no host"),
        ("amqp://a:secret@one,,two/", "empty one"),
        ("amqp://a:secret@one:five/", "port of one:five"),
    ],
)
def test_what_names_no_broker_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        split_hosts(url)
    assert "secret" not in str(refused.value)
