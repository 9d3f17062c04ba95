"""The principal: the user that a token names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The subject of a verified token.

    `username`, `name` and `picture` are the OIDC standard claims (OpenID Connect Core 1.0, section 5.1), None when absent.
    `issued_at` and `expires_at` are Unix seconds; a token without `iat` counts as issued at 0.
    """

    user_id: str
    expires_at: float
    issued_at: float = 0.0
    username: str | None = None
    name: str | None = None
    picture: str | None = None
