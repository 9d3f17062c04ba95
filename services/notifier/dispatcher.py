"""Sends what is owed: each notification in the lane of its push service, and settled whatever comes of it."""

import asyncio

import structlog

from services.notifier.allowlist import EndpointRefused
from services.notifier.claims import Claim, Claims
from services.notifier.lane import Lane
from services.notifier.outcome import CIRCUIT_OPEN, CLAIMED, REPEATED, Fate, Outcome, Reason
from services.notifier.owed import Owed, Parcel
from services.notifier.patience import patiently
from services.notifier.sender import Sender
from services.notifier.settlement import Settlement
from shared.lifecycle import Supervisor

log = structlog.get_logger(__name__)


class Dispatcher:
    """Owns the lanes. `places`: requests at once to one push service."""

    def __init__(
        self, supervisor: Supervisor, sender: Sender, claims: Claims, settlement: Settlement, places: int
    ) -> None:
        self._supervisor = supervisor
        self._sender = sender
        self._claims = claims
        self._settlement = settlement
        self._places = places
        self._lanes: dict[str, Lane] = {}
        self._open = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, owed: Owed, parcel: Parcel) -> Outcome | None:
        """Take charge of a notification (None), or say why it has to wait at the broker or can't be sent at all."""
        try:
            service = self._sender.service_of(owed)
        except EndpointRefused as error:
            return Outcome(Fate.DROPPED, Reason.ENDPOINT_REFUSED, detail=str(error))
        lane = self._lanes.get(service)
        if lane is None:
            lane = self._lanes[service] = Lane(service, self._places)
        refusal = lane.refusal()
        if refusal is None:
            lane.enter()
            parcel.add()
            self._open += 1
            self._idle.clear()
            self._supervisor.start(f"push {owed.message.message_id}", self._deliver(owed, lane, parcel))
        return refusal

    async def drain(self, seconds: float) -> None:
        """Begin no more requests, and wait for those under way. What waits in memory comes again to another replica."""
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("push.drain_timed_out", open=self._open)

    async def _deliver(self, owed: Owed, lane: Lane, parcel: Parcel) -> None:
        try:
            async with lane.place(owed.subscription.id):
                if self._stopping:
                    return
                outcome = await self._try(owed, lane)
            await self._settlement.settle(owed, lane.service, outcome)
            await parcel.settle()
        finally:
            lane.leave()
            self._open -= 1
            if self._open == 0:
                self._idle.set()

    async def _try(self, owed: Owed, lane: Lane) -> Outcome:
        """Claim the notification, and make one request."""
        if not lane.circuit.admit():
            return CIRCUIT_OPEN
        claim = await patiently(
            "claim",
            lambda: self._claims.claim(owed.message.receiver_id, owed.message.message_id, owed.subscription.id),
        )
        if claim is not Claim.MINE:
            return REPEATED if claim is Claim.ACCEPTED else CLAIMED
        try:
            outcome = await self._sender.send(owed)
        except Exception:
            # One notification that can't be built must not stop the process, again and again, for all the others.
            log.exception("push.failed", message_id=owed.message.message_id, subscription_id=owed.subscription.id)
            return Outcome(Fate.DROPPED, Reason.INTERNAL)
        lane.learn(outcome)
        return outcome
