"""Tokens verified by a key set (RFC 7517) that an identity provider publishes."""

import asyncio
import base64
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.auth import TokenError, TokenVerifier, tokens
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.settings import ServiceSettings
from tests.support.gateway import until

USER = "550e8400-e29b-41d4-a716-446655440000"


@cache
def keys() -> dict[str, Any]:
    """Algorithm → a key, made when the first test asks: each process of a parallel run imports this module."""
    return {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


def entry(algorithm: str, key: Any, **fields: Any) -> dict[str, Any]:
    """A key as a set holds it."""
    published = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**published, "kid": algorithm, **fields}


def key_set(*more: Any) -> Any:
    return {"keys": [*more, *(entry(algorithm, key) for algorithm, key in keys().items())]}


def token(algorithm: str, key: Any, kid: str | None = None) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({"sub": USER, "exp": int(time.time()) + 60}, key, algorithm, headers)


class Endless:
    """An answer that comes byte by byte, and never ends."""


class Provider:
    """An identity provider. `body` is what it answers, `asked` how often it was asked."""

    def __init__(self, url: str, body: Any) -> None:
        self.url = url
        self.body = body
        self.asked = 0

    def answer(self) -> bytes:
        self.asked += 1
        if isinstance(self.body, Endless):
            return b"{"
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@contextmanager
def provider(body: Any) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = running.answer()
            self.wfile.write(answer if answer.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n\r\n" + answer)
            with contextlib.suppress(OSError):
                while isinstance(running.body, Endless):
                    self.wfile.write(b" ")
                    time.sleep(0.02)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = Provider(f"http://127.0.0.1:{server.server_port}/keys", body)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def verifier_for(running: Provider, refresh_seconds: float = 0.05) -> AsyncIterator[TokenVerifier]:
    """A verifier that fetches the provider's keys every 50 ms, unless told otherwise, and has fetched them at least once."""
    settings = ServiceSettings(
        database_url="postgresql://x",
        amqp_url="amqp://x",
        redis_urls="redis://x",
        jwks_url=running.url,
        jwks_refresh_seconds=refresh_seconds,
    )
    verifier = TokenVerifier(settings)
    refreshing = asyncio.create_task(verifier.refresh_forever())
    try:
        await until(lambda: running.asked > 0)
        yield verifier
        assert not refreshing.done()
    finally:
        refreshing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await refreshing


def passes(verifier: TokenVerifier, tried: str) -> bool:
    try:
        return verifier.verify(tried).user_id == USER
    except TokenError:
        return False


async def test_each_algorithm_is_verified_and_no_token_asks_the_provider() -> None:
    with provider(key_set()) as running:
        async with verifier_for(running) as verifier:
            await until(lambda: verifier.ready)
            for algorithm, key in keys().items():
                assert passes(verifier, token(algorithm, key, algorithm))
            before = running.asked
            for _ in range(100):
                assert not passes(verifier, token("RS256", keys()["RS256"], "unknown"))
            assert running.asked == before


async def test_a_new_key_is_fetched_by_the_first_token_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And invented keys don't make the issuer busy: all who come together share one fetch, and the next one waits."""
    monkeypatch.setattr(tokens, "KEY_SET_PAUSE_SECONDS", 0)
    one = {"keys": [key for key in key_set()["keys"] if key["kid"] == "RS256"]}
    with provider(one) as running:
        async with verifier_for(running, refresh_seconds=3600) as verifier:
            await until(lambda: verifier.ready)
            running.body = key_set()
            new = token("ES256", keys()["ES256"], "ES256")
            assert not passes(verifier, new)
            await asyncio.gather(*(verifier.fetch_key_of(new) for _ in range(50)))
            assert passes(verifier, new)
            assert running.asked == 2
            monkeypatch.setattr(tokens, "KEY_SET_PAUSE_SECONDS", 3600)
            for number in range(50):
                await verifier.fetch_key_of(token("RS256", keys()["RS256"], f"invented-{number}"))
            assert running.asked == 3


async def test_the_key_says_the_algorithm() -> None:
    public = keys()["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = token("HS256", "x" * 32, "RS256").rpartition(".")[0]
    mac = hmac.digest(public, signed.encode(), "sha256")
    confused = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    with provider(key_set()) as running:
        async with verifier_for(running) as verifier:
            await until(lambda: verifier.ready)
            assert not passes(verifier, confused)
            assert not passes(verifier, token("RS512", keys()["RS256"], "RS256"))
            assert not passes(verifier, token("ES256", keys()["ES256"], "EdDSA"))
            assert not passes(verifier, token("none", "", "RS256"))
            assert not passes(verifier, token("RS256", keys()["RS256"]))


def test_a_public_key_is_no_secret() -> None:
    public = keys()["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    verifier = TokenVerifier(
        ServiceSettings(database_url="postgresql://x", amqp_url="amqp://x", redis_urls="redis://x", jwt_secret=public)
    )
    signed = token("HS256", "x" * 32).rpartition(".")[0]
    mac = hmac.digest(public.encode(), signed.encode(), "sha256")
    assert not passes(verifier, f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


async def test_a_single_key_needs_no_id() -> None:
    with provider({"keys": [entry("ES256", keys()["ES256"])]}) as running:
        async with verifier_for(running) as verifier:
            await until(lambda: verifier.ready)
            assert passes(verifier, token("ES256", keys()["ES256"]))


async def test_keys_that_we_can_not_use_stand_beside_ours() -> None:
    strange = [
        7,
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "curve"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": ["RSA"], "kid": "list"},
        entry("RS256", keys()["RS256"], kid="other use", use="enc"),
        entry("RS256", keys()["RS256"], kid="other algorithm", alg="PS256"),
    ]
    with provider(key_set(*strange)) as running:
        async with verifier_for(running) as verifier:
            await until(lambda: verifier.ready)
            assert passes(verifier, token("EdDSA", keys()["EdDSA"], "EdDSA"))
            assert not passes(verifier, token("RS256", keys()["RS256"], "other use"))
            assert not passes(verifier, token("RS256", keys()["RS256"], "other algorithm"))


async def test_a_new_key_is_fetched_and_the_old_one_ends() -> None:
    newer = ec.generate_private_key(ec.SECP256R1())
    with provider({"keys": [entry("ES256", keys()["ES256"], kid="old")]}) as running:
        async with verifier_for(running) as verifier:
            await until(lambda: verifier.ready)
            assert passes(verifier, token("ES256", keys()["ES256"], "old"))
            running.body = {"keys": [entry("ES256", newer, kid="new")]}
            await until(lambda: passes(verifier, token("ES256", newer, "new")))
            assert not passes(verifier, token("ES256", keys()["ES256"], "old"))


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"<html>", b"[]", b"null", b'{"error":"later"}', b'{"keys":7}', b'{"keys":[]}', b"HTTP/1.1 junk\r\n\r\n"],
)
async def test_a_provider_that_talks_nonsense_changes_nothing(nonsense: bytes) -> None:
    with provider(key_set()) as running:
        async with verifier_for(running) as verifier:
            await until(lambda: verifier.ready)
            running.body = nonsense
            before = running.asked
            await until(lambda: running.asked >= before + 3)
            assert passes(verifier, token("ES256", keys()["ES256"], "ES256"))


async def test_without_a_key_nobody_is_told_that_the_token_is_bad() -> None:
    with provider(b"") as running:
        async with verifier_for(running) as verifier:
            assert not verifier.ready
            with pytest.raises(ProtocolError) as refusal:
                verifier.verify(token("ES256", keys()["ES256"], "ES256"))
            assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_a_provider_that_never_ends_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte came in time, so handshakes with a new key waited for ever."""
    monkeypatch.setattr(tokens, "KEY_SET_TIMEOUT_SECONDS", 0.2)
    with provider(Endless()) as running:
        async with verifier_for(running):
            await until(lambda: running.asked >= 2)
