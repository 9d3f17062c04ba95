"""Takes typing signals from their queue. They may be lost: whatever goes wrong, nothing is tried again."""

import msgspec
import structlog

from services.messaging import metrics
from services.messaging.indicators import TypingIndicators
from services.messaging.outage import is_transient
from shared.protocol.relay import Typing, signal_batch_decoder
from shared.rabbitmq import Consumer

log = structlog.get_logger(__name__)

MAX_BATCHES = 64


class SignalConsumer:
    """Hands signals to the indicators, all that wait at once."""

    def __init__(self, consumer: Consumer, indicators: TypingIndicators) -> None:
        self._consumer = consumer
        self._indicators = indicators

    async def run(self) -> None:
        """Handle signals. Never returns."""
        while True:
            messages = await self._consumer.take(MAX_BATCHES)
            await self._apply([signal for message in messages for signal in _signals_of(message.body)])
            self._consumer.done(messages[-1])

    async def _apply(self, signals: list[Typing]) -> None:
        metrics.SIGNALS.inc(len(signals))
        try:
            await self._indicators.apply(signals)
        except Exception as error:
            if not is_transient(error):
                log.exception("signals.failed", signals=len(signals))


def _signals_of(body: bytes) -> list[Typing]:
    try:
        return signal_batch_decoder.decode(body).signals
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.error("signals.undecodable", reason=str(error))
        return []
