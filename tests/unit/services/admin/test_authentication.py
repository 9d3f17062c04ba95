"""services.admin.authentication: whose token a call has, with the users' keys and with a key set of the services' own."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.admin.authentication import ServiceTokens
from services.admin.settings import AdminSettings
from shared.auth import TokenError
from shared.store_clock import StoreClock
from tests.support.gateway import eventually

SECRET = "s" * 32
USER = "550e8400-e29b-41d4-a716-446655440000"
OWN_KEY = Ed25519PrivateKey.generate()


class Clock:
    now = staticmethod(time.time)


def service_tokens(**settings: Any) -> ServiceTokens:
    given = {"database_url": "postgresql://x", "amqp_url": "amqp://x", "redis_urls": "redis://x", "jwt_secret": SECRET}
    return ServiceTokens(AdminSettings.model_validate({**given, **settings}), cast("StoreClock", Clock()))


def bearer(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    encoded = jwt.encode({"sub": USER, "exp": int(time.time()) + 60, **claims}, key, algorithm, {"kid": "own"})
    return f"Bearer {encoded}"


@pytest.fixture
async def own() -> AsyncIterator[ServiceTokens]:
    """With a key set for service tokens, which has been fetched."""
    published = jwt.get_algorithm_by_name("EdDSA").to_jwk(OWN_KEY.public_key(), as_dict=True)

    async def keys(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [{**published, "kid": "own"}]})

    app = web.Application()
    app.router.add_get("/keys", keys)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made = service_tokens(admin_jwks_url=f"http://127.0.0.1:{runner.addresses[0][1]}/keys")
    fetching = [asyncio.create_task(verifier.refresh_forever()) for verifier in made.verifiers]

    async def ready() -> bool:
        return all(verifier.ready for verifier in made.verifiers)

    await eventually(ready, seconds=30)
    yield made
    for task in fetching:
        task.cancel()
    await asyncio.wait(fetching)
    await runner.cleanup()


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("chat.admin", True),
        ("openid chat.admin", True),
        (["openid", "chat.admin"], True),
        ("chat.administrator", False),
        ("", False),
        (None, False),
        ({"chat.admin": True}, False),
        (1, False),
    ],
)
def test_the_scope_decides(scope: Any, allowed: bool) -> None:
    assert service_tokens().caller_of(bearer(scope=scope)) == (USER, allowed)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic abc", "Bearer x.y.z", bearer("t" * 32)])
def test_without_a_good_token_nobody_is_known(header: str | None) -> None:
    with pytest.raises(TokenError):
        service_tokens().caller_of(header)


async def test_a_key_set_of_their_own_makes_service_tokens(own: ServiceTokens) -> None:
    assert own.caller_of(bearer(OWN_KEY, "EdDSA", scope="chat.admin")) == (USER, True)
    assert own.caller_of(bearer(OWN_KEY, "EdDSA", scope="other")) == (USER, False)


async def test_a_users_token_is_then_forbidden_whatever_its_scope(own: ServiceTokens) -> None:
    assert own.caller_of(bearer(scope="chat.admin")) == (USER, False)
    with pytest.raises(TokenError):
        own.caller_of(bearer(Ed25519PrivateKey.generate(), "EdDSA", scope="chat.admin"))
