"""The script with which gateways carry out typing signals themselves, while that is possible."""

from typing import Final

from services.messaging.typing_indicators.indicators import REMEMBERED_MS, SHORTEST_MS, event_text
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Argument, Partitions, Script
from shared.redis.script_provider import ScriptProvider

_DIRECT: Final = Script("services.messaging.typing_indicators", "indicator", "direct")
_NO_SIGNALS: Final = msgpack_encoder.encode(relay.SignalBatch([]))
_SETTINGS: Final = msgpack_encoder.encode(
    (
        event_text("%s", "%s", active=True),
        event_text("%s", "%s", active=False),
        REMEMBERED_MS,
        SHORTEST_MS,
        limits.TYPING_SECONDS * 1000,
        relay.ENDS_NOTHING,
    )
)


def direct_script(partitions: Partitions) -> ScriptProvider:
    """Return the provider of the script (docs/decisions/0046-gateways-run-a-script-of-messaging.md)."""

    def no_work() -> tuple[Argument, ...]:
        return _SETTINGS, _NO_SIGNALS

    def entry(sha: str) -> relay.DirectTyping:
        return relay.DirectTyping(sha, _SETTINGS)

    return ScriptProvider(partitions, _DIRECT, keys.DIRECT_TYPING, no_work, entry)
