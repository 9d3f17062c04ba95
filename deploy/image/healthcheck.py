"""The image's health check: exit 0 when this container's `/healthz` answers 200, else 1.

Bare sockets instead of an HTTP library: this runs every few seconds in every container, and imports would be most of
its cost.
"""

import os
import socket
import sys

LIMIT_SECONDS = 2


def is_healthy(port: int) -> bool:
    """Whether `GET /healthz` on this host's `port` answers with status 200 in time."""
    try:
        with socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return link.recv(64).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(int(os.environ["CHAT_HTTP_PORT"])))
