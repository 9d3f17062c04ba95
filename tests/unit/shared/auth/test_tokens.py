"""Which tokens are accepted."""

import time
from typing import Any

import jwt
import pytest

from shared.auth import TokenError, TokenVerifier
from shared.protocol.codec import instant_of_ms
from shared.settings import ServiceSettings

SECRET = "a-secret-of-the-tests-0123456789abcdef"
USER = "550e8400-e29b-41d4-a716-446655440000"


def settings(**changed: Any) -> ServiceSettings:
    base = {
        "database_url": "postgresql://nowhere",
        "amqp_url": "amqp://nowhere",
        "redis_urls": "redis://nowhere",
        "jwt_secret": SECRET,
    }
    return ServiceSettings(**(base | changed))


def token(key: str = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    body = {"sub": USER, "exp": int(time.time()) + 60} | claims
    return jwt.encode({name: value for name, value in body.items() if value is not ...}, key, algorithm, headers)


def test_claims_become_the_principal() -> None:
    principal = TokenVerifier(settings()).verify(token(preferred_username="somchai", name="สมชาย", iat=5))
    assert (principal.user_id, principal.username, principal.name, principal.issued_at) == (USER, "somchai", "สมชาย", 5)


def test_username_claim_serves_when_preferred_username_is_absent() -> None:
    assert TokenVerifier(settings()).verify(token(username="somchai")).username == "somchai"


@pytest.mark.parametrize("blank", ["", "  ", 7, None, [], "\u200b\u3164", "\n\0", "a" * 256])
def test_unusable_username_counts_as_absent(blank: Any) -> None:
    assert TokenVerifier(settings()).verify(token(preferred_username=blank)).username is None


def test_two_long_usernames_stay_two() -> None:
    """Cut after 255 characters, they would be one, and one user would lose the name."""
    names = [TokenVerifier(settings()).verify(token(preferred_username="a" * 255 + end)).username for end in "xy"]
    assert names == [None, None]


def test_characters_that_names_may_not_hold_are_removed() -> None:
    principal = TokenVerifier(settings()).verify(token(preferred_username="al\u202ei\0ce\r\n", name="A\u200bnn"))
    assert (principal.username, principal.name) == ("alice", "Ann")


@pytest.mark.parametrize(
    "picture", ["javascript:alert(1)", "data:image/png;base64,AA==", "http://169.254.169.254/", "https://a/\r\nX: y", 7]
)
def test_a_picture_that_is_no_avatar_is_ignored(picture: Any) -> None:
    principal = TokenVerifier(settings()).verify(token(picture=picture, name="Ann"))
    assert (principal.picture, principal.name) == (None, "Ann")


def test_a_picture_by_https_is_the_avatar() -> None:
    url = "https://cdn.example/ann.png"
    assert TokenVerifier(settings()).verify(token(picture=url)).picture == url


@pytest.mark.parametrize("end", ["=", "==", "\n", ".", ".x"])
def test_a_token_with_something_behind_it_is_refused(end: str) -> None:
    with pytest.raises(TokenError):
        TokenVerifier(settings()).verify(token() + end)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": ...},
        {"sub": ...},
        {"exp": int(time.time()) - 60},
        {"exp": 10**30},
        {"exp": str(int(time.time()) + 60)},
        {"exp": True},
        {"exp": 253_402_300_800},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"nbf": int(time.time()) + 3600},
        {"sub": "alice"},
        {"exp": []},
        {"exp": float("nan")},
        {"iat": {}},
        {"iat": -(10**400)},
        {"nbf": []},
    ],
)
def test_claims_that_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        TokenVerifier(settings()).verify(token(**claims))


def test_a_token_may_last_unless_the_operator_says_otherwise() -> None:
    lasting = token(exp=9_999_999_999)
    assert TokenVerifier(settings()).verify(lasting).expires_at == 9_999_999_999
    limited = TokenVerifier(settings(jwt_max_lifetime_seconds=3600))
    assert limited.verify(token(exp=int(time.time()) + 3500)).user_id == USER
    with pytest.raises(TokenError):
        limited.verify(lasting)


def test_the_last_end_can_be_told() -> None:
    ends = TokenVerifier(settings()).verify(token(exp=253_402_300_799)).expires_at
    assert instant_of_ms(int(ends * 1000)) == "9999-12-31T23:59:59.000Z"


def test_a_token_ends_to_the_moment() -> None:
    at = time.time()
    assert TokenVerifier(settings(), now=lambda: at).verify(token(exp=at + 0.1)).expires_at == at + 0.1
    with pytest.raises(TokenError):
        TokenVerifier(settings(), now=lambda: at).verify(token(exp=at))


def test_the_issuers_clock_may_be_a_little_ahead() -> None:
    soon = int(time.time()) + 4
    assert TokenVerifier(settings()).verify(token(iat=soon, nbf=soon)).user_id == USER


def test_other_secret_is_refused() -> None:
    with pytest.raises(TokenError):
        TokenVerifier(settings()).verify(token(key="another-secret-0123456789abcdef-000"))


def test_other_algorithm_is_refused() -> None:
    with pytest.raises(TokenError):
        TokenVerifier(settings()).verify(token(algorithm="HS512", key=SECRET + SECRET))


def test_unsigned_token_is_refused() -> None:
    unsigned = jwt.encode({"sub": USER, "exp": int(time.time()) + 60}, "", "none")
    with pytest.raises(TokenError):
        TokenVerifier(settings()).verify(unsigned)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é" * 40, "." * 9000])
def test_malformed_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        TokenVerifier(settings()).verify(text)


def test_issuer_and_audience_are_required_when_configured() -> None:
    verifier = TokenVerifier(settings(jwt_issuer="https://id.example", jwt_audience="chat"))
    assert verifier.verify(token(iss="https://id.example", aud="chat")).user_id == USER
    refused: list[dict[str, Any]] = [
        {},
        {"iss": "https://id.example"},
        {"iss": "https://evil.example", "aud": "chat"},
        {"aud": "chat"},
    ]
    for claims in refused:
        with pytest.raises(TokenError):
            verifier.verify(token(**claims))


def test_audience_is_ignored_unless_configured() -> None:
    assert TokenVerifier(settings()).verify(token(aud="somebody")).user_id == USER
