"""Prometheus and the exporters, as programs of this machine, and questions to them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.alerts.rules import RULES, SCRAPING, scraping, shortened
from tools.checkers import checker
from tools.stack import probes
from tools.stack.home import Home
from tools.stack.ports import PortBook
from tools.stack.program import Program

ASK_SECONDS = 30
LAG_QUERY = """\
pg_replication:
  query: |
    SELECT CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
      ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) END AS lag_seconds
  metrics:
    - lag_seconds:
        usage: GAUGE
        description: Replication lag behind the primary in seconds.
"""
"""What postgres_exporter tells by itself since 0.12; Debian's is older."""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    async def firing(self) -> list[dict[str, str]]:
        """The labels of each alert that fires."""
        data = await self._get("alerts")
        return [alert["labels"] for alert in data["alerts"] if alert["state"] == "firing"]

    async def sees_all(self) -> bool:
        """Whether every target has been asked, and answered last time. A Prometheus that just began knows none yet."""
        targets = (await self._get("targets"))["activeTargets"]
        return bool(targets) and all(target["health"] == "up" for target in targets)

    async def has(self, query: str) -> bool:
        """Whether a query finds anything."""
        return bool((await self._get("query", query=query))["result"])

    async def ask(self, query: str) -> list[Any]:
        """What a query finds: `{metric, value}`."""
        return list((await self._get("query", query=query))["result"])

    async def _get(self, path: str, **parameters: str) -> Any:
        async with httpx.AsyncClient(timeout=ASK_SECONDS) as client:
            answer = await client.get(f"{self.url}/api/v1/{path}", params=parameters)
        answer.raise_for_status()
        return answer.json()["data"]


def exporter_of_redis(ports: PortBook, name: str, redis_port: int) -> Program:
    """redis_exporter for one server."""
    port = ports.port(name)
    command = (f"-redis.addr=redis://127.0.0.1:{redis_port}", f"-web.listen-address=127.0.0.1:{port}")
    return _program(name, port, "prometheus-redis-exporter", *command)


def exporter_of_postgres(home: Home, ports: PortBook, name: str, url: str) -> Program:
    """postgres_exporter for one server."""
    port, queries = ports.port(name), home.data("queries.yml")
    queries.write_text(LAG_QUERY, encoding="utf-8")
    return _program(
        *(name, port, "prometheus-postgres-exporter"),
        *(f"--web.listen-address=127.0.0.1:{port}", f"--extend.query-path={queries}"),
        variables={"DATA_SOURCE_NAME": f"{url}?sslmode=disable"},
    )


def pushgateway(ports: PortBook) -> Program:
    """Where probes leave their metrics."""
    port = ports.port("pushgateway")
    return _program("pushgateway", port, "prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}")


def prometheus(home: Home, ports: PortBook, targets: Mapping[str, list[int]]) -> Program:
    """Prometheus with the shipped configuration and rules, made for this machine and for short times."""
    port, folder = ports.port("prometheus"), home.data("prometheus")
    rules, configuration = folder / "rules.yml", folder / "prometheus.yml"

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _rewrite(RULES, rules, shortened)
        _rewrite(SCRAPING, configuration, partial(scraping, targets=targets, rules=rules))

    command = (
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    return _program("prometheus", port, "prometheus", *command, prepare=prepare)


def _rewrite(source: Path, target: Path, change: Any) -> None:
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    target.write_text(yaml.safe_dump(change(document)), encoding="utf-8")


def _program(
    name: str, port: int, binary: str, *arguments: str, variables: Mapping[str, str] | None = None, **options: Any
) -> Program:
    return Program(
        name=name,
        command=(checker(binary), *arguments),
        port=port,
        probe=partial(probes.listening, port),
        environment={**os.environ, **(variables or {})},
        **options,
    )
