"""Every URL that libpq takes says here what it says there; what would be ignored or misunderstood is refused by name."""

import pytest

from shared.postgres import AddressError, parse


def test_a_plain_url() -> None:
    address = parse("postgresql://chat:p%40ss%2Fw%3Ard@db:6432/ch%61t")
    assert address.hosts == [("db", 6432)]
    assert address.database == "chat"
    assert address.keywords == {"user": "chat", "password": "p@ss/w:rd", "target_session_attrs": "read-write"}


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://a,b:6000,c/x", (("a", 5432), ("b", 6000), ("c", 5432))),
        ("postgres:///x?host=a,b&port=1,2", (("a", 1), ("b", 2))),
        ("postgresql://a,b/x?port=7", (("a", 7), ("b", 7))),
        ("postgresql:///x", (("localhost", 5432),)),
        ("postgresql:///x?host=/var/run/postgresql", (("/var/run/postgresql", 5432),)),
        ("postgresql://%2Fvar%2Frun/x", (("/var/run", 5432),)),
        ("postgresql://[::1],[fe80::2]:6000/x", (("::1", 5432), ("fe80::2", 6000))),
    ],
)
def test_the_hosts_of_a_url_are_tried_in_its_order(url: str, hosts: tuple[tuple[str, int], ...]) -> None:
    assert parse(url).hosts == list(hosts)


def test_parameters_go_where_they_are_understood() -> None:
    address = parse(
        "postgresql://db/x?sslmode=verify-full&sslrootcert=%2Fca.pem&connect_timeout=3&application_name=a+b"
        "&target_session_attrs=primary&options=-c%20statement_timeout%3D5s%20--lock-timeout%3D1s&keepalives_idle=10"
    )
    assert address.query == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    assert address.connect_seconds == 3
    assert address.keywords == {"target_session_attrs": "primary"}
    assert address.server_settings == {"application_name": "a+b", "statement_timeout": "5s", "lock_timeout": "1s"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://a:secret@db/x", "postgresql://"),
        ("postgresql://a:secret@[::1/x", "must be an IPv6 address in brackets"),
        ("postgresql://a:secret@[::1]5432/x", "must be an IPv6 address in brackets"),
        ("postgresql://a:secret@db/x?pool_size=3", "unknown parameter pool_size"),
        ("postgresql://a:secret@db/x?connect_timeout=soon", "connect_timeout=soon"),
        ("postgresql://a:secret@db:http/x", "http is no port"),
        ("postgresql://a:secret@b,,c/x", "empty host"),
        ("postgresql://a:secret@a,b,c/x?port=1,2", "3 hosts can't have 2 ports"),
        ("postgresql://a:secret@db/x?channel_binding=require", "channel_binding=require"),
        ("postgresql://a:secret@db/x?sslmode", "sslmode has no value"),
        ("postgresql://a:secret@db/x?options=verbose", "options: verbose"),
    ],
)
def test_what_cannot_be_kept_is_refused(url: str, says: str) -> None:
    with pytest.raises(AddressError, match=says) as refused:
        parse(url)
    assert "secret" not in str(refused.value)
