"""A replica is ready when it is not worse than the others."""

import asyncio

import pytest
from httpx import ASGITransport, AsyncClient

from shared import telemetry
from shared.rest import Health, create_app, demand, health


async def well() -> None:
    """All is well."""


async def away() -> None:
    raise ConnectionError("refused")


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_a_backend_that_all_share_makes_no_replica_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "STARTUP_SECONDS", 0)
    told = Health({"amqp": away, "redis": well}, {"keys": well}, lambda: ["synchronous_commit is off"])
    assert await told.report(verbose=False) == (True, {"status": "ready", "checks": {"keys": "ok"}})
    ready, body = await told.report(verbose=True)
    assert ready
    assert body["backends"] == {"amqp": "failed: ConnectionError: refused", "redis": "ok"}
    assert body["notes"] == ["synchronous_commit is off"]
    assert telemetry.BACKEND_UP.labels("amqp")._value.get() == 0
    assert telemetry.BACKEND_UP.labels("redis")._value.get() == 1


async def test_a_backend_that_hangs_delays_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "STARTUP_SECONDS", 0)
    monkeypatch.setattr(health, "CHECK_SECONDS", 3600)
    told = Health({"redis": hangs})
    async with asyncio.timeout(20):
        assert (await told.report(verbose=False))[0]
        assert (await told.report(verbose=False))[0]
    looking = told._looking
    assert looking is not None
    looking.cancel()


async def test_what_only_this_replica_lacks_makes_it_unready() -> None:
    holds = True
    told = Health({}, {"draining": demand(lambda: holds, "draining")})
    assert (await told.report(verbose=False))[0]
    assert telemetry.READY._value.get() == 1
    holds = False
    assert await told.report(verbose=False) == (
        False,
        {"status": "unready", "checks": {"draining": "failed: draining"}},
    )


async def test_a_new_replica_waits_for_each_backend_once() -> None:
    answers = False

    async def check() -> None:
        if not answers:
            raise ConnectionError

    told = Health({"amqp": check, "redis": well})
    ready, body = await told.report(verbose=False)
    assert not ready
    assert body["checks"] == {"startup": "waiting for amqp"}
    answers = True
    assert (await told.report(verbose=False))[0]
    answers = False
    assert (await told.report(verbose=False))[0]


async def test_a_new_replica_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "STARTUP_SECONDS", 0.05)
    told = Health({"amqp": away})
    async with asyncio.timeout(20):
        while not (await told.report(verbose=False))[0]:  # noqa: ASYNC110 - time has to pass
            await asyncio.sleep(0.01)


async def test_a_balancers_question_is_answered_before_the_app() -> None:
    holds = True
    app = create_app("test", Health({}, {"draining": demand(lambda: holds, "draining")}))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://x") as client:
        short, long = await client.get("/readyz"), await client.get("/readyz?verbose")
        assert (short.status_code, short.json()) == (200, {"status": "ready", "checks": {"draining": "ok"}})
        assert long.json() == {**short.json(), "backends": {}, "notes": []}
        assert ("x-request-id" in short.headers, "x-request-id" in long.headers) == (False, True)
        holds = False
        short, long = await client.get("/readyz"), await client.get("/readyz?verbose")
        assert short.status_code == long.status_code == 503
        assert short.json()["checks"] == long.json()["checks"] == {"draining": "failed: draining"}
        assert (await client.post("/readyz")).status_code == 405
