"""Consumes typing signals from their queue. They may be lost, so nothing is retried."""

from collections.abc import Iterable

import msgspec
import structlog

from services.messaging import metrics
from services.messaging.batched_commands import ReplyAddress
from services.messaging.fanout.fanout import Fanout
from services.messaging.typing_indicators.indicators import TypingIndicators
from shared.protocol.errors import ErrorCode
from shared.protocol.references import reference_of
from shared.protocol.relay import SignalBatch, Typing, signal_batch_decoder
from shared.rabbitmq import Consumer
from shared.retry import is_transient

log = structlog.get_logger(__name__)

MAX_BATCHES = 64


class SignalConsumer:
    """Applies all waiting signals at once. Signals about conversations of other users are answered with an error."""

    def __init__(self, consumer: Consumer, indicators: TypingIndicators, fanout: Fanout) -> None:
        self._consumer = consumer
        self._indicators = indicators
        self._fanout = fanout

    async def run(self) -> None:
        """Handle signals. Never returns."""
        while True:
            messages = await self._consumer.take(MAX_BATCHES)
            await self._apply([batch for message in messages if (batch := _decode(message.body))])
            self._consumer.done(messages[-1])

    async def _apply(self, batches: list[SignalBatch]) -> None:
        signals = [signal for batch in batches for signal in batch.signals]
        metrics.SIGNALS.inc(len(signals))
        try:
            outsiders = await self._indicators.apply(signals)
            if outsiders:
                await self._refuse(outsiders, batches)
        except Exception as error:
            if not is_transient(error):
                log.exception("typing.failed", signals=len(signals))

    async def _refuse(self, outsiders: Iterable[Typing], batches: Iterable[SignalBatch]) -> None:
        """Answer these requests with the error that there is no such conversation."""
        gateways = {signal.connection_id: batch.gateway_id for batch in batches for signal in batch.signals}
        effects = self._fanout.effects()
        for signal in outsiders:
            if signal.connection_id:
                address = ReplyAddress(gateways[signal.connection_id], signal.connection_id)
                effects.refuse(address, ErrorCode.CONVERSATION_NOT_FOUND, reference_of(signal))
        if effects.connection_events:
            await self._fanout.deliver(effects)


def _decode(body: bytes) -> SignalBatch | None:
    try:
        return signal_batch_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.error("typing.undecodable", error=str(error))
        return None
