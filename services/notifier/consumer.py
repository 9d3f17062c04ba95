"""From AMQP messages to notifications: what is due, whether it is still wanted, and for which browsers."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from services.notifier import metrics
from services.notifier.dispatcher import Dispatcher
from services.notifier.outcome import Fate, Outcome
from services.notifier.owed import Due, Owed, Parcel
from services.notifier.patience import patiently
from services.notifier.policy import Verdict, decide
from services.notifier.receivers import Receivers
from services.notifier.settlement import Settlement
from services.notifier.subscriptions import Subscriptions
from shared.protocol import relay
from shared.rabbitmq import Consumer, Delivery, reject

log = structlog.get_logger(__name__)

TAKE: Final = 64
"""AMQP messages that are looked up together."""


Decode = Callable[[bytes, Parcel], list[Due]]


def decode_undelivered(body: bytes, parcel: Parcel) -> list[Due]:
    """What messaging and gateways report. Raises msgspec.MsgspecError."""
    return [Due(message, parcel) for message in relay.undelivered_batch_decoder.decode(body).messages]


def decode_retries(body: bytes, parcel: Parcel) -> list[Due]:
    """What the notifier itself put off. Raises msgspec.MsgspecError."""
    return [
        Due(retry.message, parcel, retry.subscription_id, retry.attempts, retry.deferrals)
        for retry in relay.push_retry_batch_decoder.decode(body).retries
    ]


class Intake:
    """Turns what is due into notifications, and hands those to the dispatcher. Never waits for a push service."""

    def __init__(
        self,
        receivers: Receivers,
        subscriptions: Subscriptions,
        dispatcher: Dispatcher,
        settlement: Settlement,
        ttl_seconds: int,
    ) -> None:
        self._receivers = receivers
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._ttl_seconds = ttl_seconds

    async def run(self, consumer: Consumer, decode: Decode) -> None:
        """Work on one queue. Never returns."""
        while True:
            await self._handle(await consumer.take(TAKE), decode)

    async def _handle(self, deliveries: Sequence[Delivery], decode: Decode) -> None:
        parcels: list[Parcel] = []
        due: list[Due] = []
        for delivery in deliveries:
            parcel = Parcel(delivery)
            try:
                due += decode(delivery.body, parcel)
            except msgspec.MsgspecError as error:
                metrics.POISON.inc()
                log.error("push.poison", error=str(error), bytes=len(delivery.body))
                reject(delivery)
            else:
                parcels.append(parcel)
        await self._dispatch(await self._wanted(due))
        for parcel in parcels:
            await parcel.settle()

    async def _wanted(self, due: Sequence[Due]) -> list[Due]:
        """Those of `due` that deserve a push."""
        if not due:
            return []
        messages = [one.message for one in due]
        receivers = await patiently("receivers", lambda: self._receivers.of(messages))
        now_ms = time.time_ns() // 1_000_000
        wanted = []
        for one, receiver in zip(due, receivers, strict=True):
            verdict = decide(one.message, receiver, now_ms=now_ms, ttl_seconds=self._ttl_seconds)
            if verdict is Verdict.PUSH:
                wanted.append(one)
            else:
                metrics.CANCELLED.labels(verdict).inc()
                log.debug("push.cancelled", reason=verdict, message_id=one.message.message_id)
        return wanted

    async def _dispatch(self, wanted: Sequence[Due]) -> None:
        if not wanted:
            return
        users = {one.message.receiver_id for one in wanted}
        subscriptions = await patiently("subscriptions", lambda: self._subscriptions.of(users))
        deferred: dict[Outcome, list[Owed]] = {}
        for due in wanted:
            owed = due.owed_to(subscriptions.get(due.message.receiver_id, ()))
            if not owed:
                metrics.UNSUBSCRIBED.inc()
            for one in owed:
                refusal = self._dispatcher.offer(one, due.parcel)
                if refusal is None:
                    continue
                if refusal.fate is Fate.DEFERRED:
                    deferred.setdefault(refusal, []).append(one)
                else:
                    self._settlement.give_up(one, refusal)
        for outcome, put_off in deferred.items():
            await self._settlement.defer(put_off, outcome)
