"""What a session decides about a frame; the connection carries it out."""

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
    """Send this event's JSON to the connection, whose client has said that it lives."""

    text: bytes


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Read nothing from the connection for a while: it goes on sending what is refused."""


@dataclass(frozen=True, slots=True)
class SetActive:
    """The client's window is in use, or no longer."""

    active: bool


Action = relay.Command | relay.Typing | relay.SetStatus | SetActive | Reply | Close | RefreshToken | Pong | PauseReading
