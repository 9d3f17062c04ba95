"""Redis: each server's version, eviction, memory, persistence and replicas."""

from collections.abc import Mapping
from typing import Any, Final, cast

from redis.asyncio import Redis, RedisCluster

from shared.redis import Partitions
from tools.doctor.findings import Report

OLDEST: Final = (7, 0)
"""Scripts and sharded pub/sub need it."""
MOST_MEMORY: Final = 0.75
"""The share of `maxmemory` at which the alert fires too."""
INFOS: Final = ("server", "memory", "stats", "persistence", "replication", "clients")


async def examine(report: Report, partitions: Partitions) -> None:
    """Look at every master. Raises RedisError, OSError or TimeoutError when one doesn't answer."""
    for name, info in (await _infos(partitions)).items():
        _version(report, name, info)
        _memory(report, name, info)
        _persistence(report, name, info)
        _replicas(report, name, info)


async def _infos(partitions: Partitions) -> dict[str, Mapping[str, Any]]:
    """Return name of each master ('' without a cluster) → its INFO."""
    client: Any = partitions.at(0).client
    if not partitions.at(0).clustered:
        return {"": await _info(cast("Redis", client))}
    await partitions.ping()
    cluster = cast("RedisCluster", client)
    return {f"{node.host}:{node.port}: ": await _info(client, target_nodes=node) for node in cluster.get_primaries()}


async def _info(client: Any, **target: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section in INFOS:
        found |= await client.info(section, **target)
    return found


def _version(report: Report, name: str, info: Mapping[str, Any]) -> None:
    version = str(info["redis_version"])
    old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST
    report.judge(
        f"{name}version {version}, {info['connected_clients']} connections",
        f"{name}version {version} lacks what the scripts need" if old else None,
        f"upgrade to Redis {OLDEST[0]}.{OLDEST[1]} or later",
    )


def _memory(report: Report, name: str, info: Mapping[str, Any]) -> None:
    policy, used, most = info["maxmemory_policy"], int(info["used_memory"]), int(info["maxmemory"])
    report.judge(
        f"{name}nothing is evicted",
        f"{name}maxmemory-policy is {policy}: Redis deletes leases and inboxes" if policy != "noeviction" else None,
        "set maxmemory-policy to noeviction: what it holds is no cache",
    )
    if evicted := int(info.get("evicted_keys", 0)):
        report.fault(f"{name}{evicted:,} keys were evicted", "give Redis more memory; clients read their history once")
    if not most:
        report.note(
            f"{name}{used >> 20} MiB are used, and maxmemory isn't set",
            "set it to three quarters of the machine's memory: else the kernel ends Redis when it is full",
        )
        return
    report.judge(
        f"{name}{used >> 20} of {most >> 20} MiB are used",
        f"{name}{used >> 20} of {most >> 20} MiB are used" if used > most * MOST_MEMORY else None,
        "give it more memory, or spread over a cluster (docs/redis.md)",
    )


def _persistence(report: Report, name: str, info: Mapping[str, Any]) -> None:
    if info["aof_enabled"] and info.get("aof_last_write_status") != "ok":
        report.fault(f"{name}the append-only file can't be written", "look at Redis' log and its disk")
    elif not info["aof_enabled"]:
        report.note(
            f"{name}data don't outlive a restart of Redis: clients then read their history once",
            "set appendonly to yes",
        )


def _replicas(report: Report, name: str, info: Mapping[str, Any]) -> None:
    if info["role"] != "master":
        report.fault(f"{name}this server is a replica, and can't be written to", "name its master, or its Sentinels")
    elif not int(info["connected_slaves"]):
        report.note(f"{name}no replica is connected", "production needs one: see docs/redis.md")
    else:
        report.ok(f"{name}{info['connected_slaves']} replicas")
