"""`chatctl doctor` on the running system: it finds nothing where nothing is wrong, and each fault where one is made."""

import json
from typing import Any

import aio_pika
import asyncpg
import redis.asyncio as redis

from shared.protocol.topology import PRESENCE_DEAD
from tests.e2e.test_chatctl import chatctl, environment, started
from tests.support.stack import Stack
from tools.stack.ports import free_port

SETTINGS = ("CHAT_JWT_SECRET", "CHAT_UPLOAD_SIGNING_KEYS", "CHAT_VAPID_PRIVATE_KEY", "CHAT_PUBLIC_URL")


def settings(stack: Stack, **changed: str) -> dict[str, str]:
    """The environment that the services have, changed."""
    return {**environment(stack), **{name: stack.setting(name) for name in SETTINGS}, **changed}


async def examined(stack: Stack, **changed: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit status, and the findings."""
    async with started(stack, "doctor", "--json", variables=settings(stack, **changed)) as process:
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, [json.loads(line) for line in out.splitlines()]


def faults(findings: list[dict[str, Any]], part: str = "") -> list[str]:
    """What is wrong, but for dead letters, which other tests make."""
    return [
        finding["text"]
        for finding in findings
        if finding["level"] == "fault" and part in finding["part"] and "dead letters" not in finding["text"]
    ]


async def test_a_sound_system_has_no_faults(stack: Stack) -> None:
    """Other tests leave browsers that subscribed with a key of their own."""
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute("DELETE FROM notifier.subscriptions")
    await connection.close()
    status, findings = await examined(stack)
    assert faults(findings) == []
    parts = {"settings", "PostgreSQL", "Redis", "RabbitMQ", "clocks", "pushes", "services", "uploads"}
    assert {finding["part"] for finding in findings} == parts
    assert {finding["part"] for finding in findings if finding["level"] == "ok"} == parts
    assert status == int(any(finding["level"] == "fault" for finding in findings))
    assert all(finding["remedy"] for finding in findings if finding["level"] != "ok")


async def test_what_only_one_service_has_is_said_to_be_out_of_sight(stack: Stack) -> None:
    _, findings = await examined(stack, CHAT_VAPID_PRIVATE_KEY="", CHAT_UPLOAD_STORE="")
    for part in ("pushes", "uploads"):
        (found,) = [finding for finding in findings if finding["part"] == part]
        assert found["level"] == "note"
        assert "isn't visible from here" in found["text"]


async def test_wrong_settings_are_named(stack: Stack) -> None:
    status, findings = await examined(stack, CHAT_PING_SECONDS="soon", CHAT_ALLOWED_ORIGIN="https://a.example")
    (fault,) = faults(findings, "settings")
    assert "gateway: CHAT_PING_SECONDS" in fault
    assert any("CHAT_ALLOWED_ORIGINS" in finding["remedy"] for finding in findings)
    assert status == 1


async def test_backends_that_are_away_are_named_with_their_variables(stack: Stack) -> None:
    port = free_port()
    _, findings = await examined(
        stack, CHAT_AMQP_URL=f"amqp://127.0.0.1:{port}/", CHAT_DATABASE_URL=f"postgresql://127.0.0.1:{port}/chat"
    )
    assert faults(findings, "RabbitMQ")
    assert faults(findings, "PostgreSQL")
    assert not faults(findings, "Redis")
    remedies = {finding["part"]: finding["remedy"] for finding in findings if finding["level"] == "fault"}
    assert "CHAT_AMQP_URL" in remedies["RabbitMQ"]
    assert "CHAT_DATABASE_URL" in remedies["PostgreSQL"]


async def test_a_redis_that_evicts_is_a_fault(stack: Stack) -> None:
    async with redis.Redis.from_url(stack.redis_url) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            _, findings = await examined(stack)
        finally:
            await client.config_set("maxmemory-policy", "noeviction")
    (fault,) = faults(findings, "Redis")
    assert "allkeys-lru" in fault


async def test_dead_letters_are_a_fault(stack: Stack) -> None:
    async with await aio_pika.connect(stack.amqp_url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"nobody can read this"), PRESENCE_DEAD.name)
        status, findings = await examined(stack)
    assert status == 1
    found = [finding for finding in findings if PRESENCE_DEAD.name in finding["text"]]
    assert [finding["level"] for finding in found] == ["fault"]
    assert "chatctl dead-letters list" in found[0]["remedy"]
    assert (await chatctl(stack, "dead-letters", "drop", PRESENCE_DEAD.name, "--yes"))[0] == 0


async def test_a_lost_push_key_is_a_fault(stack: Stack) -> None:
    status, findings = await examined(stack, CHAT_VAPID_PRIVATE_KEY="short")
    assert status == 1
    assert any("CHAT_VAPID_PRIVATE_KEY" in fault for fault in faults(findings, "pushes"))


async def test_protections_pass_through_streams(stack: Stack) -> None:
    async with started(stack, "protections", "save", "-") as process:
        saved, told = await process.communicate()
        assert process.returncode == 0, told
    assert json.loads(saved)["whole"] is True
    assert b"revocations" in told
