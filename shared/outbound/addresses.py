"""Which network addresses may be connected to: public ones.

A name on the allow-list may resolve to anything (a taken-over zone, a rebinding answer). So the check is made on the very
address that the socket is about to connect to, not on an earlier look-up.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1: the last 32 bits are an IPv4 address."""
_TUNNELS: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("64:ff9b:1::/48"))
"""6to4 (RFC 3056), Teredo (RFC 4380), local NAT64 (RFC 8215): where they lead can't be checked."""

_SPECIAL: Final = IPv4Network("192.0.0.0/24")
"""IETF protocol assignments (RFC 6890, section 2.2.2); Python counts only parts of it as private."""


class AddressRefused(OSError):
    """An address that is not public."""


def is_public(text: str) -> bool:
    """True for an address of the public Internet: not loopback, private, link-local, shared, multicast, or reserved.

    IPv4-mapped and NAT64 addresses count as the IPv4 address in them. Anything that is no address is not public.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.is_site_local or any(address in network for network in _TUNNELS):
            return False
        address = _embedded(address) or address
    if address in _SPECIAL:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def public_socket(address_info: tuple[Any, ...]) -> socket.socket:
    """A socket for one result of getaddrinfo. Raises AddressRefused unless it is public; made for aiohttp's connector."""
    family, kind, protocol, _name, address = address_info
    if not is_public(str(address[0])):
        # Without the address: only equal texts keep their class when all addresses of a name are refused (aiohappyeyeballs).
        raise AddressRefused("not a public address")
    return socket.socket(family=family, type=kind, proto=protocol)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else None
