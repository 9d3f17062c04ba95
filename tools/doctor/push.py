"""Compares the push keys of the settings with those of existing subscriptions."""

from typing import Final

from services.notifier.webpush.vapid import VapidKeys
from shared.postgres import connect, parse
from tools.doctor.findings import Report

_KEYS: Final = "SELECT key_id, count(*) AS subscriptions FROM notifier.subscriptions GROUP BY key_id"


async def examine(report: Report, database_url: str, private_keys: str | None) -> None:
    """Compare keys. `private_keys`: CHAT_VAPID_PRIVATE_KEY. Raises what asyncpg raises."""
    counts = await _subscriptions(database_url)
    if not private_keys:
        _without_key(report, sum(counts.values()))
        return
    try:
        keys = VapidKeys.parse(private_keys)
    except ValueError as error:
        report.fault(f"CHAT_VAPID_PRIVATE_KEY: {error}", "write it as `chatctl vapid` printed it")
        return
    lost = sum(count for key_id, count in counts.items() if keys.find(key_id) is None)
    report.judge(
        f"the key serves all {sum(counts.values())} subscriptions",
        f"{lost} of {sum(counts.values())} subscriptions were made with a key that isn't in CHAT_VAPID_PRIVATE_KEY"
        if lost
        else None,
        "put the old key back, after the new one: those browsers get nothing until they subscribe anew",
    )


async def _subscriptions(database_url: str) -> dict[str, int]:
    """Return id of each key → the number of subscriptions that were made with it."""
    connection = await connect(parse(database_url), application_name="chatctl")
    try:
        return {row["key_id"]: row["subscriptions"] for row in await connection.fetch(_KEYS)}
    finally:
        await connection.close()


def _without_key(report: Report, subscriptions: int) -> None:
    """Only the notifier needs the key, so that it may not be visible from here: a new one would end all subscriptions."""
    if subscriptions:
        report.note(
            f"CHAT_VAPID_PRIVATE_KEY isn't visible from here, so the key of {subscriptions} subscriptions isn't checked",
            "make no new key, which would end them: ChatPushKeyRefused says whether the notifier has the right one",
        )
    else:
        report.note(
            "CHAT_VAPID_PRIVATE_KEY isn't visible from here, and nobody has subscribed",
            "nothing, if the notifier has one; else nobody gets web pushes: make one with `chatctl vapid`",
        )
