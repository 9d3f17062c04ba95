"""Reads when the certificate that clients see expires."""

import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 10.0


def certificate_end(origin: str, trusted: str | None = None) -> float | None:
    """Return Unix seconds; None for an origin without TLS, and when there is no valid certificate, which the login step reports.

    `trusted`: a file of certificates to trust in place of the machine's.
    """
    parts = urlsplit(origin)
    if parts.scheme != "https" or not parts.hostname:
        return None
    context = ssl.create_default_context(cafile=trusted)
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
        ):
            shown = secured.getpeercert() or {}
    except OSError:
        return None
    ends = shown.get("notAfter")
    return float(ssl.cert_time_to_seconds(ends)) if isinstance(ends, str) else None
