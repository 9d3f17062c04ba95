"""Every metric of the gateway.

Counters that every message updates are a `Tally`: a dict update instead of a counter with a lock.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.protocol.client import FRAMES
from shared.protocol.closing import CloseCode
from shared.protocol.errors import ErrorCode

MALFORMED: Final = "malformed"


class Tally(Collector):
    """A counter with one label whose values are known at start. Add to it with `tally.counts[value] += 1`."""

    def __init__(self, name: str, help_text: str, label: str, values: Iterable[str]) -> None:
        self._name, self._help, self._label = name, help_text, label
        self.counts: dict[str, int] = dict.fromkeys(values, 0)
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return the metric family without samples."""
        return [CounterMetricFamily(self._name, self._help, labels=[self._label])]

    def collect(self) -> Iterator[Metric]:
        """Return the current counts."""
        family = CounterMetricFamily(self._name, self._help, labels=[self._label])
        for value, count in self.counts.items():
            family.add_metric([value], count)
        yield family


class LatencyTally(Collector):
    """A histogram of seconds without locks."""

    def __init__(self, name: str, help_text: str, bounds: tuple[float, ...]) -> None:
        self._name, self._help, self._bounds = name, help_text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        REGISTRY.register(self)

    def observe(self, seconds: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def describe(self) -> Iterable[Metric]:
        """Return the metric family without samples."""
        return [HistogramMetricFamily(self._name, self._help)]

    def collect(self) -> Iterator[Metric]:
        """Return the current buckets, cumulative as Prometheus wants them."""
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(self._name, self._help, buckets=buckets, sum_value=self._sum)


LATENCY_BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

CONNECTIONS: Final = Gauge("chat_gateway_connections", "Open WebSocket connections.")
HANDSHAKES: Final = Counter("chat_gateway_handshakes", "Handshakes by result.", ["result"])
CLOSES: Final = Counter(
    "chat_gateway_closes",
    "Connections closed, by close code; `lost` without a close frame, `other` with a code that the client made up.",
    ["code"],
)
EVENTS_IN: Final = Tally("chat_gateway_events_in", "Frames of clients, by event type.", "type", (*FRAMES, MALFORMED))
EVENTS_OUT: Final = Tally(
    "chat_gateway_events_out", "Events written, by kind.", "kind", ("durable", "transient", "direct", "replayed")
)
ACK_LATENCY: Final = LatencyTally(
    "chat_gateway_ack_latency_seconds", "From a command's frame until messaging is done with it.", LATENCY_BOUNDS
)
BATCH_COMMANDS: Final = Histogram("chat_gateway_batch_commands", "Commands in one batch up.", buckets=BATCH_BOUNDS)
BATCHES_IN_FLIGHT: Final = Gauge("chat_gateway_batches_in_flight", "Command batches that messaging has not completed.")
COMMANDS_FAILED: Final = Counter("chat_gateway_commands_failed", "Commands answered with send_failed.", ["reason"])
RATE_LIMITED: Final = Counter("chat_gateway_rate_limited", "Frames refused by a rate limit.", ["limit"])
RECOVERIES: Final = Tally(
    "chat_gateway_recoveries", "Positions looked up in an inbox, by result.", "result", ("recovered", "lost")
)
LINK_GAPS: Final = Counter("chat_gateway_link_gaps", "Pub/sub links that were cut, or had lost the gateway's routes.")
EVENTS_SHED: Final = Counter("chat_gateway_events_shed", "Typing and presence not written to slow connections.")
UNDELIVERED: Final = Counter("chat_gateway_undelivered", "Messages reported to the notifier.", ["reason"])
SIGNALS_DROPPED: Final = Counter("chat_gateway_signals_dropped", "Typing signals dropped because the broker was busy.")
SIGNALS: Final = Counter(
    "chat_gateway_typing_signals", "Typing signals carried out here (`direct`) or sent to messaging (`queue`).", ["way"]
)
PRESENCE_COMMANDS: Final = Counter(
    "chat_gateway_presence_commands",
    "Presence commands carried out here (`direct`) or sent to presence (`queue`).",
    ["way"],
)
PRESENCE_DROPPED: Final = Counter("chat_gateway_presence_dropped", "Presence commands given up.")

# Alerts ask how much these series increased. One that begins with its first event had no 0 before, so Prometheus would not see
# that event.
for _code in CloseCode:
    CLOSES.labels(str(_code))
for _result in ("accepted", ErrorCode.UNAVAILABLE):
    HANDSHAKES.labels(_result)
