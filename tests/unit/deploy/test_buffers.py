"""How much of what one side doesn't read lies in the kernel of the load balancer."""

import re

from tools.stack.haproxy import POLICY

MOST_BYTES = 256 * 1024
"""An upload from 100 ms away goes on at 20 Mbit/s."""


def test_all_buffers_of_both_sides_are_bounded() -> None:
    """Without a bound the kernel gives each connection as much as `tcp_rmem` and `tcp_wmem` allow: megabytes."""
    bounds = re.findall(
        r"^ +tune\.(rcvbuf|sndbuf)\.(client|server) (\d+)$", POLICY.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {bound[:2] for bound in bounds} == {
        (kind, side) for kind in ("rcvbuf", "sndbuf") for side in ("client", "server")
    }
    assert all(0 < int(size) <= MOST_BYTES for *_, size in bounds)
