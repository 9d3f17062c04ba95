"""What the holder of a lease has ended when it gives the lease up."""

import asyncio
from typing import cast

import pytest

from services.webhooks.endpoint import Endpoint
from services.webhooks.settings import WebhooksSettings
from shared.postgres import Pool

URL = "http://127.0.0.1:1/"


class SlowToEnd:
    """A scheduler that needs a few turns of the loop to end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            for _ in range(5):
                await asyncio.sleep(0)
            self.ended = True
            raise


async def test_a_second_cancellation_leaves_no_work_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the supervisor, which cancels every second; and work that is cancelled twice ends at once."""
    given = {
        "database_url": "postgresql://127.0.0.1:1/",
        "amqp_url": "amqp://127.0.0.1:1/",
        "redis_urls": "redis://127.0.0.1:1/",
        "jwt_secret": "0" * 32,
        "webhook_urls": URL,
        "webhook_secret": "whsec_" + "MDEy" * 8,
    }
    endpoint = Endpoint(cast("Pool", None), URL, WebhooksSettings.model_validate(given))
    scheduler = SlowToEnd()
    monkeypatch.setattr(endpoint, "_new_scheduler", lambda: scheduler)
    leading = asyncio.create_task(endpoint._lead())
    await scheduler.begun.wait()
    work = next(task for task in asyncio.all_tasks() if task.get_name() == "dispatch")
    leading.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leading.cancel()
    await asyncio.wait([leading])
    assert work.done()
