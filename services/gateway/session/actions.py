"""Actions: what a session decides about a frame, and the connection carries out."""

from dataclasses import dataclass

from shared.protocol import relay
from shared.protocol.closing import CloseCode


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this event's JSON to the connection."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection."""

    code: CloseCode


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Verify a new token, and answer."""

    token: str


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer a client's `ping`: send this event's JSON."""

    text: bytes


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Stop reading from the connection for a while, because the client keeps sending frames that are refused."""


@dataclass(frozen=True, slots=True)
class SetActive:
    """The client says whether the user looks at it."""

    active: bool


Action = relay.Command | relay.Typing | relay.SetStatus | SetActive | Reply | Close | RefreshToken | Pong | PauseReading
