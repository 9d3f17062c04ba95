"""Development tokens have the claims that services require."""

import uuid

import jwt
import pytest

from tools.devtoken import LOCAL_SECRET, mint, user_id


def test_a_name_has_the_same_id_everywhere() -> None:
    assert user_id("alice") == uuid.uuid5(uuid.NAMESPACE_URL, "chat-dev-user:alice")


def test_a_token_has_the_claims_of_the_contract() -> None:
    claims = jwt.decode(mint("alice", secret=LOCAL_SECRET), LOCAL_SECRET, algorithms=["HS256"])
    assert claims["sub"] == str(user_id("alice"))
    assert (claims["preferred_username"], claims["name"]) == ("alice", "Alice")
    assert claims["exp"] - claims["iat"] == 3600


def test_a_token_has_what_the_services_are_set_to_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_JWT_ISSUER", "https://id.example")
    monkeypatch.setenv("CHAT_JWT_AUDIENCE", "chat")
    token = mint("alice", secret=LOCAL_SECRET)
    jwt.decode(token, LOCAL_SECRET, algorithms=["HS256"], issuer="https://id.example", audience="chat")


def test_claims_can_be_replaced() -> None:
    token = mint("alice", "Al", sub="x", picture="https://example.org/a.png", secret=LOCAL_SECRET)
    claims = jwt.decode(token, LOCAL_SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["name"], claims["picture"]) == ("x", "Al", "https://example.org/a.png")


def test_a_negative_lifetime_has_ended() -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(mint("alice", lifetime_seconds=-60, secret=LOCAL_SECRET), LOCAL_SECRET, algorithms=["HS256"])
