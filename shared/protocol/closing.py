"""WebSocket close codes (RFC 6455, section 7.4; 4000–4999 are ours), with what a client should do after each."""

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """Why the server closed a connection."""

    NORMAL = 1000
    GOING_AWAY = 1001
    POLICY_VIOLATION = 1008
    FRAME_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    EVENTS_LOST = 1013
    TOKEN_EXPIRED = 4401
    SLOW_CONSUMER = 4408
    REPLACED = 4409
    PONG_TIMEOUT = 4410


CLIENT_ADVICE: Final[dict[CloseCode, tuple[str, str]]] = {
    CloseCode.GOING_AWAY: (
        "gateway shuts down or drains",
        "reconnect, after a random 0–5 s, with cursor",
    ),
    CloseCode.POLICY_VIOLATION: (
        "20 frames in a row that were no JSON object with a `type`, or of unknown type",
        "fix the client, don't loop",
    ),
    CloseCode.FRAME_TOO_BIG: ("frame too big", "don't resend it, tell the user, reconnect with cursor"),
    CloseCode.INTERNAL_ERROR: ("internal error", "back off, reconnect with cursor"),
    CloseCode.EVENTS_LOST: (
        "events are missing that can no longer be replayed, as after a failover of Redis",
        "back off, reconnect with cursor",
    ),
    CloseCode.TOKEN_EXPIRED: ("token expired or revoked", "new token, reconnect with cursor"),
    CloseCode.SLOW_CONSUMER: ("too slow to read", "reconnect with cursor"),
    CloseCode.REPLACED: ("replaced by newer connections of the same user", "don't reconnect by itself"),
    CloseCode.PONG_TIMEOUT: ("no pong in time", "reconnect with cursor"),
}
"""Code → (meaning, what the client should do)."""
