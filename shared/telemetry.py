"""Logs and process metrics.

Logs are one JSON object a line on stderr, with event names such as `connection.opened`; ids are bound as fields. Tokens are
redacted everywhere, including uvicorn's own lines.
"""

import logging
import re
import sys
import time
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from shared.settings import ServiceSettings
from shared.ticks import next_tick

_TOKEN: Final = re.compile(r"""(token=|token["']?: ?["']|bearer[ .]+)[^\s&,;"']+""", re.IGNORECASE)

VERSION: Final = "0.1.0"
"""The same as in pyproject.toml. The image has no installed package to read it from."""

LOOP_LAG = Histogram(
    "chat_event_loop_lag_seconds",
    "How late the event loop runs a timer, sampled every second, or every five at rest.",
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
WORK_HELD = Gauge("chat_work_held", "Pieces of work that are held because a backend is away.", ["work"])
WORK_RETRIES = Counter("chat_work_retries_total", "Attempts that failed because a backend was away.", ["work"])
CLOCK_OFFSET = Gauge("chat_clock_offset_seconds", "How far this machine's clock is ahead of Redis'.")
READY = Gauge("chat_ready", "1 when the last `/readyz` of this replica said that it is ready.")
BACKEND_UP = Gauge(
    "chat_backend_up", "1 when a backend that all replicas share answered this one's last check.", ["backend"]
)
BUILD_INFO = Gauge("chat_build_info", "Always 1; the labels say what runs.", ["service", "instance", "version"])


def redact(text: str) -> str:
    """Return `text` without JWTs: of `?token=…`, `Bearer …` and `bearer.…` only the name is kept."""
    return _TOKEN.sub(r"\1[redacted]", text)


def _redact_event(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value)
    return event


def debugging() -> bool:
    """Return True when debug lines are logged. Check it before making many of them."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)


def configure_logging(settings: ServiceSettings, service: str) -> None:
    """Send structlog's and the standard library's records through one redacting pipeline, and set the metric with the version."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("uvicorn.access", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for tracing_breaks in ("aio_pika", "aiormq"):
        # They log a traceback for each broken connection, which shared.rabbitmq.link logs in one line.
        logging.getLogger(tracing_breaks).setLevel(logging.CRITICAL)
    structlog.contextvars.bind_contextvars(service=service, instance=settings.instance)
    BUILD_INFO.labels(service, settings.instance, VERSION).set(1)


BUSY_SECONDS: Final = 1.0
"""Between two samples of the event loop's lag."""
REST_SECONDS: Final = 5.0
"""The same while the process does next to nothing."""
REST_SHARE: Final = 0.02
"""Of one core: a process that takes less is at rest."""


async def watch_loop_lag() -> None:
    """Observe how late the event loop is. Never returns."""
    period = BUSY_SECONDS
    while True:
        began, spent = time.monotonic(), time.process_time()
        due = await next_tick(period)
        share = (time.process_time() - spent) / max(time.monotonic() - began, 0.001)
        period = REST_SECONDS if share < REST_SHARE else BUSY_SECONDS
        # libuv's time is that at which it woke up: what ran since is lag, too.
        LOOP_LAG.observe(max(0.0, time.monotonic() - due))
