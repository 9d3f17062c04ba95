"""Tokens that a process remembers: what that saves, and what it must never accept."""

from typing import Any

import jwt
import pytest

from shared.auth import Principal, TokenError, TokenVerifier
from shared.auth.verified_tokens import VerifiedTokens
from tests.unit.shared.auth.test_tokens import settings, token

SOMEBODY = Principal("550e8400-e29b-41d4-a716-446655440000", expires_at=100.0)


def test_a_kept_token_is_found_until_it_ends() -> None:
    verified = VerifiedTokens()
    verified.keep("a", SOMEBODY)
    assert verified.find("a", 99.9) is SOMEBODY
    assert verified.find("b", 99.9) is None
    assert verified.find("a", 100.0) is None


def test_the_oldest_go_first() -> None:
    verified = VerifiedTokens(most=2)
    for name in "abc":
        verified.keep(name, SOMEBODY)
    assert [verified.find(name, 0) for name in "abc"] == [None, SOMEBODY, SOMEBODY]


def test_a_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = jwt.decode

    def counted(text: str, *args: Any, **kwargs: Any) -> Any:
        decoded.append(text)
        return decode(text, *args, **kwargs)

    monkeypatch.setattr(jwt, "decode", counted)
    verifier, one, other = TokenVerifier(settings()), token(), token(name="Other")
    assert verifier.verify(one) == verifier.verify(one)
    verifier.verify(other)
    assert decoded == [one, other]


def test_a_token_that_was_believed_is_refused_once_it_has_ended() -> None:
    now = 1_000.0
    verifier = TokenVerifier(settings(), lambda: now)
    short = token(exp=1_060)
    verifier.verify(short)
    now = 1_060.0
    with pytest.raises(TokenError) as refused:
        verifier.verify(short)
    assert refused.value.reason == "expired"


def test_another_signature_is_another_token() -> None:
    verifier, good = TokenVerifier(settings()), token()
    verifier.verify(good)
    forged = token(key="another-secret-0123456789abcdef-0123456789")
    with pytest.raises(TokenError):
        verifier.verify(good.rpartition(".")[0] + "." + forged.rpartition(".")[2])
