"""What users set about pushes over REST, and what comes of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_EVENTS, NOTIFIER_EVENTS_DEAD
from tests.integration.notifier.conftest import Broker, Running, counted, undelivered, until
from tests.support.push_service import PushService

PATH = "/chat/users/me/settings"
DEFAULTS = {"preview": True, "quietHours": None, "mutedUntil": None}
NIGHT = {"timeZone": "Asia/Bangkok", "from": "22:00", "to": "07:30"}


async def change(notifier: Running, user_id: str, push: dict[str, Any]) -> dict[str, Any]:
    response = await notifier.call("PATCH", PATH, user_id, {"push": push})
    assert response.status_code == 200, response.text
    settings: dict[str, Any] = response.json()["push"]
    return settings


async def test_settings_have_defaults_and_change_one_by_one(notifier: Running, user_id: str) -> None:
    assert (await notifier.call("GET", PATH, user_id)).json() == {"push": DEFAULTS}
    assert await change(notifier, user_id, {}) == DEFAULTS
    assert await change(notifier, user_id, {"preview": False}) == {**DEFAULTS, "preview": False}
    assert (await change(notifier, user_id, {"quietHours": NIGHT}))["quietHours"] == NIGHT
    changed = await change(notifier, user_id, {"mutedUntil": "2031-02-03T04:05:06.789+02:00"})
    expected = {"preview": False, "quietHours": NIGHT, "mutedUntil": "2031-02-03T02:05:06.789Z"}
    assert changed == expected
    assert (await notifier.call("GET", PATH, user_id)).json() == {"push": expected}
    assert await change(notifier, user_id, {"quietHours": None, "mutedUntil": None, "preview": True}) == DEFAULTS


async def test_changes_at_once_don_t_undo_each_other(notifier: Running, user_id: str) -> None:
    changes: list[dict[str, Any]] = [{"preview": False}, {"quietHours": NIGHT}, {"mutedUntil": "2031-01-01T00:00:00Z"}]
    await asyncio.gather(*(change(notifier, user_id, one) for one in changes))
    settings = (await notifier.call("GET", PATH, user_id)).json()["push"]
    assert settings == {"preview": False, "quietHours": NIGHT, "mutedUntil": "2031-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preview": None}, "preview"),
        ({"preview": "no"}, "preview"),
        ({"quietHours": {**NIGHT, "timeZone": "Mars/Olympus"}}, "IANA"),
        ({"quietHours": {**NIGHT, "timeZone": "\0"}}, "IANA"),
        ({"quietHours": {**NIGHT, "to": "22:00"}}, "must differ"),
        ({"quietHours": {**NIGHT, "from": "24:00"}}, "HH:MM"),
        ({"quietHours": {**NIGHT, "from": "7:00"}}, "HH:MM"),
        ({"quietHours": {"timeZone": "UTC", "from": "07:00"}}, "to"),
        ({"quietHours": {}}, "timeZone"),
        ({"quietHours": []}, "quietHours"),
        ({"mutedUntil": "tomorrow"}, "mutedUntil"),
        ({"mutedUntil": "2031-01-01T00:00:00"}, "mutedUntil"),
        ({"mutedUntil": 1_900_000_000}, "mutedUntil"),
        ({"mutedUntil": "9999-12-31T23:59:59-12:00"}, "mutedUntil"),
    ],
)
async def test_settings_that_make_no_sense_are_refused(
    notifier: Running, user_id: str, wrong: dict[str, Any], message: str
) -> None:
    response = await notifier.call("PATCH", PATH, user_id, {"push": wrong})
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == "validation_error"
    assert message in response.json()["error"]["message"]
    assert (await notifier.call("GET", PATH, user_id)).json() == {"push": DEFAULTS}


async def test_settings_need_a_token(notifier: Running) -> None:
    for method in ("GET", "PATCH"):
        assert (await notifier.call(method, PATH, None, {})).status_code == 401


async def test_without_preview_no_content_leaves_the_server(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    await change(notifier, user_id, {"preview": False})
    await broker.undelivered(undelivered(user_id, preview="a secret"))
    [got] = await push.wait_for(1, browser)
    told = browser.decrypt(got.body)
    assert (told["title"], told["body"]) == ("New message from somchai", "New message")


@pytest.mark.parametrize("setting", ["mutedUntil", "quietHours"])
async def test_who_wants_no_pushes_gets_none_and_none_later(
    notifier: Running, broker: Broker, push: PushService, user_id: str, setting: str
) -> None:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    quiet = {"timeZone": "UTC", "from": f"{now - hour:%H:%M}", "to": f"{now + hour:%H:%M}"}
    value: Any = quiet if setting == "quietHours" else f"{now + hour:%Y-%m-%dT%H:%M:%SZ}"
    reason = "quiet_hours" if setting == "quietHours" else "muted"
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    await change(notifier, user_id, {setting: value})
    before = counted("chat_push_cancelled_total", reason=reason)
    await broker.undelivered(undelivered(user_id))
    await until(lambda: counted("chat_push_cancelled_total", reason=reason) == before + 1)
    await change(notifier, user_id, {setting: None})
    await broker.undelivered(undelivered(user_id, preview="afterwards"))
    [got] = await push.wait_for(1, browser)
    assert browser.decrypt(got.body)["body"] == "afterwards"


async def events(broker: Broker, *told: relay.NotifierEvent) -> None:
    await broker.publish(NOTIFIER_EVENTS, msgpack_encoder.encode(relay.NotifierEventBatch(list(told))))


async def test_a_muted_conversation_is_silent_and_others_are_not(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    silent, loud = undelivered(user_id), undelivered(user_id, preview="loud")
    until_ms = silent.created_at_ms + 3_600_000
    await events(broker, relay.ConversationMuted(user_id, silent.conversation_id, until_ms, 1))
    await wait_for_mute(notifier, user_id)
    await broker.undelivered(silent, loud)
    [got] = await push.wait_for(1, browser)
    assert browser.decrypt(got.body)["body"] == "loud"
    assert len(push.to(browser)) == 1


async def test_a_far_instant_mutes_for_ever(notifier: Running, broker: Broker, user_id: str) -> None:
    message = undelivered(user_id)
    await events(broker, relay.ConversationMuted(user_id, message.conversation_id, 2**62, 1))
    await wait_for_mute(notifier, user_id)


async def wait_for_mute(notifier: Running, user_id: str) -> None:
    sql = "SELECT count(*) FROM notifier.muted_conversations WHERE user_id = $1"
    async with asyncio.timeout(15):
        while not await notifier.pool.fetchval(sql, user_id):  # noqa: ASYNC110 - a table can only be asked
            await asyncio.sleep(0.02)


async def test_events_that_can_t_be_applied_go_to_the_dead_letters(
    notifier: Running, broker: Broker, user_id: str
) -> None:
    await broker.publish(NOTIFIER_EVENTS, b"\xc1")
    await events(broker, relay.ConversationMuted("no UUID", "no UUID", None, 1))
    await events(broker, relay.ConversationMuted(user_id, undelivered(user_id).conversation_id, None, 1))
    await wait_for_mute(notifier, user_id)
    await broker.wait_for(NOTIFIER_EVENTS_DEAD, 2)


async def test_a_time_zone_that_only_another_release_knows_holds_up_nobody(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    """Requests are looked up together: one that raises an error takes the others with it."""
    await notifier.pool.execute(
        "INSERT INTO notifier.push_settings (user_id, time_zone, quiet_from, quiet_to) VALUES ($1, $2, 0, 1439)",
        *(user_id, "Mars/Phobos"),
    )
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    await broker.undelivered(undelivered(user_id))
    await push.wait_for(1, browser)
