"""What the notifier does about each answer of a push service."""

import pytest
from prometheus_client import REGISTRY
from yarl import URL

from services.notifier.delivery.outcome import Disposition, Reason
from services.notifier.webpush.http_client import WebPushClient
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_DEAD, NOTIFIER_RETRIES, NOTIFIER_RETRY_WAITS, NOTIFIER_UNDELIVERED
from tests.integration.notifier.conftest import Broker, Running, Start, counted, undelivered, until
from tests.support.push_service import HANG, Answer, PushService

FAILED = "chat_push_failed_total"


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_ended_is_forgotten(
    notifier: Running, broker: Broker, push: PushService, user_id: str, status: int
) -> None:
    gone, lasting = push.browser(Answer(status)), push.browser()
    await notifier.subscribe(user_id, gone, lasting)
    before = counted("chat_push_pruned_total")
    await broker.undelivered(undelivered(user_id))
    await push.wait_for(2)
    await until(lambda: counted("chat_push_pruned_total") == before + 1)
    assert await notifier.endpoints(user_id) == {lasting.endpoint}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.REJECTED),
        (401, Reason.KEY_REFUSED),
        (403, Reason.KEY_REFUSED),
        (413, Reason.TOO_LARGE),
    ],
)
async def test_a_refusal_is_counted_and_nothing_is_forgotten(
    notifier: Running, broker: Broker, push: PushService, user_id: str, status: int, reason: Reason
) -> None:
    browser = push.browser(Answer(status))
    await notifier.subscribe(user_id, browser)
    before, faults = counted(FAILED, reason=reason), counted("chat_push_key_faults_total", service=push.origin)
    await broker.undelivered(undelivered(user_id))
    await until(lambda: counted(FAILED, reason=reason) == before + 1)
    assert len(push.to(browser)) == 1
    assert await notifier.endpoints(user_id) == {browser.endpoint}
    expected = 1 if reason is Reason.KEY_REFUSED else 0
    assert counted("chat_push_key_faults_total", service=push.origin) == faults + expected


async def test_a_redirect_is_not_followed(notifier: Running, broker: Broker, push: PushService, user_id: str) -> None:
    elsewhere = push.browser()
    browser = push.browser(Answer(307, {"Location": elsewhere.endpoint}))
    await notifier.subscribe(user_id, browser)
    before = counted(FAILED, reason=Reason.REDIRECTED)
    await broker.undelivered(undelivered(user_id))
    await until(lambda: counted(FAILED, reason=Reason.REDIRECTED) == before + 1)
    assert push.to(elsewhere) == []


@pytest.mark.parametrize(
    ("answer", "wait_seconds"),
    [
        (Answer(500), 5),
        (Answer(503, {"Retry-After": "20"}), 30),
        (Answer(429, {"Retry-After": "90"}), 120),
        (Answer(429, {"Retry-After": "86400"}), 3600),
    ],
)
async def test_a_failure_waits_at_the_broker_as_long_as_the_service_asks(
    notifier: Running, broker: Broker, push: PushService, user_id: str, answer: Answer, wait_seconds: int
) -> None:
    browser = push.browser(answer)
    await notifier.subscribe(user_id, browser)
    await broker.undelivered(undelivered(user_id))
    await push.wait_for(1, browser)
    await broker.wait_for(NOTIFIER_RETRY_WAITS[wait_seconds], 1)
    await broker.wait_for(NOTIFIER_UNDELIVERED, 0)


async def test_a_retry_succeeds_and_only_for_the_browser_that_lacks_it(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    failing, working = push.browser(Answer(500), Answer(201)), push.browser()
    await notifier.subscribe(user_id, failing, working)
    await broker.undelivered(undelivered(user_id))
    first, second = await push.wait_for(2, failing)
    assert second.at - first.at > 4.5
    assert failing.decrypt(second.body) == failing.decrypt(first.body)
    assert len(push.to(working)) == 1


async def test_a_retry_is_given_up_in_the_end(start: Start, broker: Broker, push: PushService, user_id: str) -> None:
    browser = push.browser(Answer(500))
    async with start(push_attempts=2) as notifier:
        await notifier.subscribe(user_id, browser)
        before = counted(FAILED, reason=Reason.ATTEMPTS_EXHAUSTED)
        await broker.undelivered(undelivered(user_id))
        await until(lambda: counted(FAILED, reason=Reason.ATTEMPTS_EXHAUSTED) == before + 1)
    assert len(push.to(browser)) == 2


async def test_a_hanging_push_service_delays_only_its_own_pushes(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser(Answer(HANG))
    async with start(push_timeout_seconds=1) as notifier:
        await notifier.subscribe(user_id, browser)
        await broker.undelivered(undelivered(user_id))
        await broker.wait_for(NOTIFIER_RETRY_WAITS[5], 1)
    assert counted("chat_push_retries_total", reason=Reason.TIMEOUT) >= 1


async def test_an_undecodable_batch_is_dead_lettered_alone(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    await broker.publish(NOTIFIER_UNDELIVERED, b"\xc1")
    await broker.publish(NOTIFIER_UNDELIVERED, msgpack_encoder.encode(["not a list"]))
    no_utf8 = msgpack_encoder.encode(relay.UndeliveredBatch([undelivered(user_id, preview="?!")]))
    await broker.publish(NOTIFIER_UNDELIVERED, no_utf8.replace(b"?!", b"\xff\xff"))
    await broker.undelivered(undelivered("no UUID"))
    await broker.undelivered(undelivered(user_id, conversation_id="no UUID"))
    await broker.publish(NOTIFIER_RETRIES, b"{}")
    await broker.undelivered(undelivered(user_id))
    await push.wait_for(1, browser)
    await broker.wait_for(NOTIFIER_DEAD, 5)


async def test_an_endpoint_that_is_no_longer_allowed_is_not_posted_to(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    async with start() as notifier:
        await notifier.subscribe(user_id, push.browser())
    before = counted(FAILED, reason=Reason.ENDPOINT_REFUSED)
    async with start(push_allowed_hosts=["push.example.com"]):
        await broker.undelivered(undelivered(user_id))
        await until(lambda: counted(FAILED, reason=Reason.ENDPOINT_REFUSED) == before + 1)
    assert push.pushes == []


async def test_without_a_key_pushes_are_counted_as_failed(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    async with start() as notifier:
        await notifier.subscribe(user_id, push.browser())
    before = counted(FAILED, reason=Reason.KEY_UNSET)
    async with start(vapid_private_key=None):
        await broker.undelivered(undelivered(user_id))
        await until(lambda: counted(FAILED, reason=Reason.KEY_UNSET) == before + 1)
    assert push.pushes == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]"]
)
async def test_private_addresses_are_never_connected_to(host: str) -> None:
    async with WebPushClient(5) as client:
        outcome = await client.post(URL(f"https://{host}/a"), trusted=False, headers={}, body=b"x")
    assert (outcome.disposition, outcome.reason) == (Disposition.DROPPED, Reason.ADDRESS_REFUSED)


async def test_a_service_that_can_t_be_reached_is_tried_again() -> None:
    async with WebPushClient(5) as client:
        outcome = await client.post(URL("http://127.0.0.1:1/a"), trusted=True, headers={}, body=b"x")
        assert (outcome.disposition, outcome.reason) == (Disposition.RETRY, Reason.UNREACHABLE)
        outcome = await client.post(URL("https://no-such-host.invalid/a"), trusted=False, headers={}, body=b"x")
        assert (outcome.disposition, outcome.reason) == (Disposition.RETRY, Reason.UNRESOLVED)


async def test_the_time_from_message_to_push_is_measured(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    name = "chat_push_latency_seconds"
    count, total = (REGISTRY.get_sample_value(f"{name}_{part}") or 0 for part in ("count", "sum"))
    await notifier.subscribe(user_id, push.browser())
    message: relay.Undelivered = undelivered(user_id)
    message.created_at_ms -= 60_000
    await broker.undelivered(message)
    await until(lambda: (REGISTRY.get_sample_value(f"{name}_count") or 0) == count + 1)
    assert 60 <= (REGISTRY.get_sample_value(f"{name}_sum") or 0) - total < 120
