"""The page's service worker, in Node: badge, subscriptions that end, and clicks (docs/notifications.md)."""

import os
from pathlib import Path

from tests.support.node import run_node
from tools.stack.home import ROOT

TESTS = Path(__file__).with_name("service_worker.test.mjs")


async def test_the_service_worker() -> None:
    environment = {**os.environ, "SERVICE_WORKER": str(ROOT / "examples" / "web" / "sw.js")}
    await run_node("--test", str(TESTS), environment=environment, seconds=120)
