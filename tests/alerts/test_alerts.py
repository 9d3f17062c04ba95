"""Each alert is brought about on a running system and fires, its page is followed, and it ends.

`ALERTS=long`, as `make alerts` sets it, runs this, and writes the rows of the table in `docs/alerts.md`.
"""

import os
import re

import pytest

from tests.alerts import report
from tests.alerts.condition import CONDITIONS, Condition
from tests.alerts.conditions import backends, backlog, clients, media, probe, push, services
from tests.alerts.rules import alerts
from tests.alerts.watched import FIRE_SECONDS, Watched
from tests.support.waiting import eventually

LONG = os.environ.get("ALERTS") == "long"
MODULES = (services, clients, backlog, push, media, backends, probe)
"""Imported for the conditions that they put on the list."""

pytestmark = pytest.mark.skipif(not LONG, reason="ALERTS=long, as make alerts sets it, runs this")


@pytest.mark.timeout(900)
async def test_a_sound_system_raises_none(watched: Watched) -> None:
    assert await watched.settled() == []


@pytest.mark.timeout(900)
async def test_what_rules_ask_of_redis_postgres_rabbitmq_and_haproxy_is_exported(watched: Watched) -> None:
    asked = set(re.findall(r"\b(?:redis|pg|rabbitmq|haproxy)_\w+", " ".join(map(unquoted, alerts().values()))))
    assert len(asked) > 10

    async def exported() -> bool:
        return {name for name in asked if not await watched.prometheus.has(name)} == set()

    await eventually(exported, FIRE_SECONDS)


def unquoted(expression: str) -> str:
    """An expression without the values of labels."""
    return re.sub(r'"[^"]*"', "", expression)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
async def test_it_fires_and_its_page_ends_it(condition: Condition, watched: Watched) -> None:
    commands = await condition.passes(watched)
    report.write(condition.how, condition.alerts, commands)
