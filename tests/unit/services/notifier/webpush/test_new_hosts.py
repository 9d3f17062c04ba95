"""Hosts below a wildcard that never answered: users can invent them, and they use no capacity of working ones."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yarl import URL

from services.notifier.decision import Receiver
from services.notifier.delivery.outcome import ACCEPTED, QUEUE_FULL, Disposition, Outcome, Reason
from services.notifier.delivery.service_queue import ServiceQueues
from services.notifier.push_jobs import ApprovedJob, PushJob
from services.notifier.subscriptions import Subscription
from services.notifier.webpush.allowlist import AllowList
from services.notifier.webpush.http_client import WebPushClient
from services.notifier.webpush.sender import MAX_HOSTS, WebPushSender
from services.notifier.webpush.vapid import VapidKey, VapidKeys, VapidSigner
from tests.unit.services.notifier.test_notification import message

SERVICE = "*.push.example"
KEY = VapidKey.generate()
NOW = datetime(2024, 1, 1, tzinfo=UTC)
NOWHERE = Outcome(Disposition.RETRY, Reason.UNRESOLVED)


class Client(WebPushClient):
    """Instead of the network: gives `answer`."""

    def __init__(self, answer: Outcome) -> None:
        self.answer = answer

    async def post(self, url: URL, *, trusted: bool, headers: Mapping[str, str], body: bytes) -> Outcome:
        return self.answer


def browser(host: str) -> Subscription:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    p256dh = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Subscription("s", "u", f"https://{host}.push.example/1", p256dh, os.urandom(16), KEY.id, NOW, NOW)


def sender_of(client: Client) -> WebPushSender:
    signer = VapidSigner("mailto:push@chat.example")
    return WebPushSender(client, AllowList([SERVICE]), VapidKeys([KEY]), signer, ttl_seconds=60)


async def send(sender: WebPushSender, target: Subscription) -> Outcome:
    return await sender.send(ApprovedJob(PushJob(message(), target), target, Receiver()))


async def test_a_host_that_answered_leaves_the_queue_of_new_ones() -> None:
    sender, target = sender_of(Client(ACCEPTED)), browser("db5p")
    assert sender.queue_of(target) == f"{SERVICE} (new hosts)"
    assert await send(sender, target) is ACCEPTED
    assert sender.queue_of(target) == SERVICE
    assert sender.queue_of(browser("invented")) == f"{SERVICE} (new hosts)"


@pytest.mark.parametrize(
    "answer",
    [
        NOWHERE,
        Outcome(Disposition.DROPPED, Reason.ADDRESS_REFUSED),
        Outcome(Disposition.RETRY, Reason.TIMEOUT),
        Outcome(Disposition.RETRY, Reason.UNREACHABLE),
    ],
    ids=lambda outcome: outcome.reason,
)
async def test_a_host_that_gives_no_answer_stays_new(answer: Outcome) -> None:
    sender, target = sender_of(Client(answer)), browser("invented")
    assert await send(sender, target) is answer
    assert sender.queue_of(target) == f"{SERVICE} (new hosts)"


async def test_invented_hosts_fill_no_place_of_one_that_works() -> None:
    client = Client(ACCEPTED)
    sender, queues = sender_of(client), ServiceQueues(20)
    working = browser("db5p")
    await send(sender, working)
    client.answer = NOWHERE
    invented = queues.get(sender.queue_of(browser("invented")))
    entered = 0
    while invented.refusal() is None:
        invented.enter()
        entered += 1
    assert entered == 40  # a tenth of the places, and those that wait for one
    assert queues.get(sender.queue_of(browser("also-invented"))).refusal() is QUEUE_FULL
    assert queues.get(sender.queue_of(working)).refusal() is None


async def test_the_hosts_that_are_remembered_are_bounded() -> None:
    sender = sender_of(Client(ACCEPTED))
    browsers = [browser(f"h{number}") for number in range(MAX_HOSTS + 1)]
    for target in browsers:
        await send(sender, target)
    assert sender.queue_of(browsers[0]) == f"{SERVICE} (new hosts)"
    assert sender.queue_of(browsers[-1]) == SERVICE
