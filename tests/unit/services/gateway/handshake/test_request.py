"""services.gateway.handshake.request: what a request says of who sent it."""

import contextlib
import time
import uuid

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers, QueryParams

from services.gateway.handshake.request import HandshakeRequest, TokenCheck, read_request
from shared.auth import TokenError, TokenVerifier
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.settings import ServiceSettings

SECRET = "unit-test-secret-0123456789abcdef0123"


def read(headers: dict[str, str] | None = None, query: str = "", *, query_token: bool = True) -> HandshakeRequest:
    return read_request(Headers(headers or {}), QueryParams(query), query_token=query_token)


@pytest.mark.parametrize(
    ("headers", "query", "token"),
    [
        ({}, "", None),
        ({"authorization": "Bearer abc"}, "", "abc"),
        ({"authorization": "bEaReR  abc "}, "", "abc"),
        ({"authorization": "Basic abc"}, "", None),
        ({"authorization": "Bearer"}, "", None),
        ({"sec-websocket-protocol": "chat.v1, bearer.abc"}, "", "abc"),
        ({}, "token=abc", "abc"),
        ({}, "token=", None),
        ({"authorization": "Bearer abc"}, "token=abc", "abc"),
    ],
)
def test_the_token_has_three_places(headers: dict[str, str], query: str, token: str | None) -> None:
    assert read(headers, query).token == token


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer a"}, "token=b"),
        ({"authorization": "Bearer a", "sec-websocket-protocol": "chat.v1, bearer.b"}, ""),
        ({}, "token=a&token=b"),
        ({"sec-websocket-protocol": "bearer.a, bearer.b"}, ""),
    ],
)
def test_two_tokens_that_differ_are_refused(headers: dict[str, str], query: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        read(headers, query)
    assert refusal.value.code is ErrorCode.VALIDATION_ERROR


def test_the_query_token_can_be_switched_off() -> None:
    assert read({}, "token=abc", query_token=False).token is None
    assert read({"authorization": "Bearer a"}, "token=b", query_token=False).token == "a"


def test_cursor_origin_and_subprotocol() -> None:
    headers = {"origin": "https://a.example", "sec-websocket-protocol": "chat.v1"}
    assert read(headers, "cursor=1-2") == HandshakeRequest(None, "https://a.example", "1-2", True)
    assert read({}, "cursor=").cursor == ""
    assert read({"sec-websocket-protocol": "chat.v2"}).offers_subprotocol is False


def test_a_device_comes_with_a_status_or_without() -> None:
    assert read({}).status == read({}, "status=").status == ""
    assert read({}, "status=away").status == "away"
    for status in ("offline", "Away", "x"):
        with pytest.raises(ProtocolError, match="one of away, busy, online") as refusal:
            read({}, f"status={status}")
        assert refusal.value.code is ErrorCode.VALIDATION_ERROR


@given(st.dictionaries(st.sampled_from(["authorization", "sec-websocket-protocol", "origin"]), st.text()), st.text())
def test_no_request_raises_anything_but_a_refusal(headers: dict[str, str], query: str) -> None:
    raw = [(name.encode(), value.encode("utf-8", "replace")) for name, value in headers.items()]
    with contextlib.suppress(ProtocolError):
        read_request(Headers(raw=raw), QueryParams(query), query_token=True)


def token_check(*origins: str) -> TokenCheck:
    settings = ServiceSettings(
        database_url="postgresql://x",
        amqp_url="amqp://x",
        redis_urls="redis://x",
        jwt_secret=SECRET,
        allowed_origins=list(origins),
    )
    return TokenCheck(TokenVerifier(settings), settings.allowed_origins)


def token(lifetime_seconds: float = 60) -> str:
    return jwt.encode({"sub": str(uuid.uuid4()), "exp": time.time() + lifetime_seconds}, SECRET, "HS256")


@pytest.mark.parametrize(
    ("allowed", "origin", "passes"),
    [
        ([], "https://any.example", True),
        (["https://a.example", "*"], "https://any.example", True),
        (["https://a.example"], None, True),
        (["https://a.example/"], "https://A.example", True),
        (["https://a.example"], "https://b.example", False),
        (["https://a.example"], "http://a.example", False),
        (["https://a.example"], "https://a.example:8443", False),
        (["https://a.example"], "https://a.example.evil.example", False),
        (["https://a.example"], "null", False),
    ],
)
def test_origins_are_compared_whole(allowed: list[str], origin: str | None, passes: bool) -> None:
    handshake_request = HandshakeRequest(token(), origin, None, False)
    if passes:
        token_check(*allowed).check(handshake_request)
    else:
        with pytest.raises(ProtocolError) as refusal:
            token_check(*allowed).check(handshake_request)
        assert refusal.value.status == 403


def test_a_missing_token_is_unauthorized() -> None:
    with pytest.raises(TokenError):
        token_check().check(HandshakeRequest(None, None, None, False))


def test_a_connection_that_would_end_at_once_is_unauthorized() -> None:
    with pytest.raises(TokenError):
        token_check().check(HandshakeRequest(token(lifetime_seconds=-1), None, None, False))
