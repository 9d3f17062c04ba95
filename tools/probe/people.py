"""The probe's two users, and their tokens: signed with the development secret, or from the platform's identity provider.

An identity provider gives them by client credentials (RFC 6749, section 4.4): two clients with a service account each, whose
tokens have `sub` and `preferred_username` as those of users do.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from tools.devtoken import mint
from tools.failure import Failure

TOKEN_URL: Final = "CHAT_PROBE_TOKEN_URL"  # noqa: S105 - the name of a variable
CLIENTS: Final = "CHAT_PROBE_CLIENTS"
USERNAMES: Final = ("chat-probe-1", "chat-probe-2")
SECONDS: Final = 10.0

TokenSource = Callable[[], Awaitable[str]]
"""Gives a valid token of one user. Raises httpx.HTTPError, or Failure."""


def token_sources() -> tuple[TokenSource, TokenSource]:
    """Where the tokens of sender and receiver come from. Raises Failure for settings that can't be used."""
    url = os.environ.get(TOKEN_URL)
    if not url:
        if os.environ.get("CHAT_JWKS_URL"):
            raise Failure(f"{TOKEN_URL} isn't set", "tokens come from your identity provider: see docs/operations.md")
        return _minted(USERNAMES[0]), _minted(USERNAMES[1])
    clients = [one.strip().partition(":") for one in os.environ.get(CLIENTS, "").split(",")]
    if len(clients) != 2 or not all(name and secret for name, _, secret in clients):
        raise Failure(f"{CLIENTS} names no two clients", "write it as `id:secret,id:secret`")
    (sender, _, sender_secret), (receiver, _, receiver_secret) = clients
    return _granted(url, sender, sender_secret), _granted(url, receiver, receiver_secret)


def _minted(username: str) -> TokenSource:
    async def token() -> str:
        return mint(username)

    return token


def _granted(url: str, client: str, secret: str) -> TokenSource:
    async def token() -> str:
        async with httpx.AsyncClient(timeout=SECONDS) as http:
            answer = await http.post(url, data={"grant_type": "client_credentials"}, auth=(client, secret))
        answer.raise_for_status()
        granted = answer.json().get("access_token")
        if not isinstance(granted, str):
            raise Failure(f"{url} grants no access_token", f"may {client} use client credentials?")
        return granted

    return token
