"""Events about the connection itself: its beginning, its token, and `pong`."""

import msgspec

from shared.protocol.payloads import AuthPayload, ConnectionSuccessPayload, PongPayload


class ConnectionSuccess(msgspec.Struct, tag="connection.success", tag_field="type", frozen=True):
    """First event of a connection.

    Example: `{"type": "connection.success", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "connectedAt": "2024-01-01T10:00:00.000Z", "connectionId": "0190a1b2-0000-7000-8000-00000000d001",
    "recovered": null, "cursor": "1704103200000001-77", "heartbeatSeconds": 54, "maxMessageBytes": 524288,
    "expiresAt": "2024-01-01T11:00:00.000Z", "features": ["message.edit"]}}`
    """

    payload: ConnectionSuccessPayload


class Pong(msgspec.Struct, tag="pong", tag_field="type", frozen=True):
    """Answer to `ping`.

    Example: `{"type": "pong", "payload": {"timestamp": 1704067200, "echo": 1704067199}}`
    """

    payload: PongPayload


class AuthExpiring(msgspec.Struct, tag="auth.expiring", tag_field="type", frozen=True):
    """The token expires soon: send `auth.refresh`, or the connection is closed with 4401.

    Example: `{"type": "auth.expiring", "payload": {"expiresAt": "2024-01-01T11:00:00.000Z"}}`
    """

    payload: AuthPayload


class AuthRefreshed(msgspec.Struct, tag="auth.refreshed", tag_field="type", frozen=True):
    """The new token is in use.

    Example: `{"type": "auth.refreshed", "payload": {"expiresAt": "2024-01-01T12:00:00.000Z"}}`
    """

    payload: AuthPayload
