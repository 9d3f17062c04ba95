"""Addresses that are connected to, and those that aren't."""

import socket

import pytest

from shared.outbound.addresses import AddressRefused, is_public, public_socket


@pytest.mark.parametrize(
    "address",
    ["142.250.185.74", "1.1.1.1", "34.107.243.93", "2a00:1450:4001:80b::200a", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.5",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:101:101::1",
        "2001:0:1::1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "",
    ],
)
def test_other_addresses(address: str) -> None:
    assert not is_public(address)


def test_a_socket_is_only_made_for_a_public_address() -> None:
    public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443))).close()
    with pytest.raises(AddressRefused, match="not a public address"):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)))
