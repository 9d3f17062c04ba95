"""Compares the push keys of the settings with those of existing subscriptions."""

from typing import Final

from services.notifier.webpush.vapid import VapidKeys
from shared.postgres import connect, parse
from tools.doctor.findings import Report

_KEYS: Final = "SELECT key_id, count(*) AS subscriptions FROM notifier.subscriptions GROUP BY key_id"


async def examine(report: Report, database_url: str, private_keys: str | None) -> None:
    """Compare keys. `private_keys`: CHAT_VAPID_PRIVATE_KEY. Raises what asyncpg raises."""
    if not private_keys:
        report.note("CHAT_VAPID_PRIVATE_KEY isn't set: nobody gets web pushes", "make one with `chatctl vapid`")
        return
    try:
        keys = VapidKeys.parse(private_keys)
    except ValueError as error:
        report.fault(f"CHAT_VAPID_PRIVATE_KEY: {error}", "make one with `chatctl vapid`")
        return
    connection = await connect(parse(database_url), application_name="chatctl")
    try:
        counts = {row["key_id"]: row["subscriptions"] for row in await connection.fetch(_KEYS)}
    finally:
        await connection.close()
    lost = sum(count for key_id, count in counts.items() if keys.find(key_id) is None)
    report.judge(
        f"the key serves all {sum(counts.values())} subscriptions",
        f"{lost} of {sum(counts.values())} subscriptions were made with a key that isn't in CHAT_VAPID_PRIVATE_KEY"
        if lost
        else None,
        "put the old key back, after the new one: those browsers get nothing until they subscribe anew",
    )
