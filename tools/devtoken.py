"""Development tokens, as an identity provider would issue them, signed with the secret of the local stack.

Never used by a service: they only check tokens.
"""

import os
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from shared.public_secret import PUBLIC_SECRET

LOCAL_SECRET = PUBLIC_SECRET
"""HS256 key of the local stack, unless `CHAT_JWT_SECRET` is set."""

LOCAL_WEBHOOK_SECRET = "whsec_bG9jYWwtZGV2ZWxvcG1lbnQtd2ViaG9vay1zZWNyZXQ="  # noqa: S105 - as public as the other one
"""The secret with which the local stack signs webhooks, unless `CHAT_WEBHOOK_SECRET` is set."""


def secret_in_use() -> str:
    """The key that the local stack checks tokens with."""
    return os.environ.get("CHAT_JWT_SECRET", LOCAL_SECRET)


def demanded_claims(environment: Mapping[str, str]) -> dict[str, Any]:
    """The issuer and the audience that services with these settings ask for."""
    settings = {"iss": "CHAT_JWT_ISSUER", "aud": "CHAT_JWT_AUDIENCE"}
    return {claim: environment[name] for claim, name in settings.items() if environment.get(name)}


def user_id(username: str) -> uuid.UUID:
    """Return the id of a development user. It depends only on the name."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"chat-dev-user:{username}")


def mint(
    username: str,
    name: str | None = None,
    lifetime_seconds: float = 3600,
    secret: str | None = None,
    **claims: Any,
) -> str:
    """Return a signed token of `username`, with the display name `name`.

    `claims` are added, or replace the usual ones (docs/protocol.md, «Connecting»: `sub`, `exp`, `preferred_username`, `name`).
    A negative lifetime gives an expired token.
    """
    now = datetime.now(UTC)
    payload = {
        "sub": str(user_id(username)),
        "iat": now,
        "exp": now + timedelta(seconds=lifetime_seconds),
        "preferred_username": username,
        "name": name or username.capitalize(),
        **demanded_claims(os.environ),
        **claims,
    }
    return jwt.encode(payload, secret or secret_in_use(), algorithm="HS256")


def main() -> None:
    """Print the token of the user that the first argument names: `python -m tools.devtoken alice`."""
    if len(sys.argv) != 2 or not sys.argv[1]:
        raise SystemExit("usage: make token USER=alice")
    print(mint(sys.argv[1]))


if __name__ == "__main__":
    main()
