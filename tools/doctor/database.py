"""PostgreSQL: the schema, durability, connections, standbys, the archive."""

from typing import Any, Final

from pydantic import SecretStr

from shared.postgres import DatabaseWatch, connect, load_sql, parse
from shared.postgres.condition import code_revision
from tools.doctor.findings import Report

OLDEST: Final = 150_000
"""The oldest tested version, as `server_version_num`."""
MOST_CONNECTIONS: Final = 0.9
"""Share of `max_connections`."""
WRAPAROUND: Final = 1_500_000_000
"""Transactions without a freeze: at 2 thousand million PostgreSQL stops writing (PostgreSQL, «Routine Vacuuming»)."""
NAME: Final = "chatctl"
_STATE: Final = load_sql(__package__, "database")


async def examine(report: Report, url: str) -> None:
    """Look at the database. Raises what asyncpg raises when it doesn't answer."""
    condition = await DatabaseWatch(SecretStr(url), NAME).look()
    report.judge(
        f"schema of revision {code_revision() or 'unknown'}", condition.fault, "see «PostgreSQL» in docs/operations.md"
    )
    if condition.note:
        report.note(condition.note, "see «PostgreSQL» in docs/operations.md")
    connection = await connect(parse(url), application_name=NAME)
    try:
        state = await connection.fetchrow(_STATE)
    finally:
        await connection.close()
    assert state is not None
    _version(report, state)
    _connections(report, state)
    _standbys(report, state)
    _archive(report, state)
    _age(report, state)


def _version(report: Report, state: Any) -> None:
    old = state["version"] < OLDEST
    report.judge(
        f"version {state['version_text']}, {state['size']}",
        f"version {state['version_text']} is older than what is tried" if old else None,
        f"upgrade to PostgreSQL {OLDEST // 10_000} or later",
    )


def _connections(report: Report, state: Any) -> None:
    used, most = state["connections"], state["most_connections"]
    report.judge(
        f"{used} of {most} connections are open",
        f"{used} of {most} connections are open: the next replica gets none"
        if used >= most * MOST_CONNECTIONS
        else None,
        "raise max_connections, or lower the pool sizes: see «Settings that matter» in docs/operations.md",
    )


def _standbys(report: Report, state: Any) -> None:
    if state["synchronous_names"] and not state["synchronous_standbys"]:
        report.fault(
            "synchronous_standby_names is set, and no standby is connected: every commit waits",
            "start the standby, or empty synchronous_standby_names until it is back",
        )
    elif not state["standbys"]:
        report.note("no standby is connected", "production needs two: see «PostgreSQL» in docs/operations.md")
    else:
        report.ok(f"{state['standbys']} standbys, the slowest {state['lag_bytes']} bytes behind")
    if state["dead_slots"]:
        report.fault(
            f"{state['dead_slots']} replication slots have no reader: the write-ahead log grows until the disk is full",
            "start the reader, or drop the slot with pg_drop_replication_slot",
        )


def _archive(report: Report, state: Any) -> None:
    if not state["archives"]:
        report.note(
            "the write-ahead log isn't archived: a restore loses what came after the last dump",
            "see «Backup and restore» in docs/operations.md",
        )
        return
    report.judge(
        f"the last segment was archived at {state['archived_at']}",
        f"archiving has failed since {state['failed_at']}" if state["archive_fails"] else None,
        "look at PostgreSQL's log for what archive_command says; the disk fills until it works",
    )


def _age(report: Report, state: Any) -> None:
    if state["age"] > WRAPAROUND:
        report.fault(
            f"the oldest row is {state['age']:,} transactions old: PostgreSQL stops writing soon",
            "run VACUUM FREEZE, and find what keeps autovacuum from it",
        )
