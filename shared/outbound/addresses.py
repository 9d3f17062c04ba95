"""Which network addresses may be connected to: public ones.

A name on the allow-list may resolve to any address (a hijacked zone, DNS rebinding). So the check is on the address that the
socket connects to, not on an earlier look-up.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1: the last 32 bits are an IPv4 address."""
_TUNNELS: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("64:ff9b:1::/48"))
"""6to4 (RFC 3056), Teredo (RFC 4380), local NAT64 (RFC 8215): their real destination can't be checked."""

_SPECIAL: Final = IPv4Network("192.0.0.0/24")
"""IETF protocol assignments (RFC 6890, section 2.2.2); Python counts only parts of it as private."""


class AddressRefused(OSError):
    """The address is not public."""


def is_public(text: str) -> bool:
    """Return True for an address of the public Internet: not loopback, private, link-local, shared, multicast, or reserved.

    IPv4-mapped and NAT64 addresses count as their IPv4 address. A text that isn't an address isn't public.
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
    """Return a socket for one result of getaddrinfo, for aiohttp's connector. Raises AddressRefused unless it is public."""
    family, kind, protocol, _name, address = address_info
    if not is_public(str(address[0])):
        # The text has no address: aiohappyeyeballs keeps the class of the errors only when all texts are equal.
        raise AddressRefused("not a public address")
    return socket.socket(family=family, type=kind, proto=protocol)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else None
