"""How the migrator ends: 75 when it may be tried again, anything else when that wouldn't help."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrations.__main__ import DATABASE_AWAY
from tools.stack.ports import free_port

SECONDS = 60
ROOT = Path(__file__).parents[3]


async def migrate(url: str) -> tuple[int | None, str]:
    """Exit status, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "migrations"),
        cwd=ROOT,
        env={**os.environ, "CHAT_DATABASE_URL": url},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_database_that_is_away_is_worth_another_try() -> None:
    status, said = await migrate(f"postgresql://127.0.0.1:{free_port()}/chat")
    assert status == DATABASE_AWAY
    assert "doesn't answer" in said


@pytest.mark.parametrize("url", ["", "mysql://127.0.0.1/chat"])
async def test_a_wrong_url_is_not(url: str) -> None:
    status, said = await migrate(url)
    assert status == 1
    assert "CHAT_DATABASE_URL" in said


async def test_a_current_database_is_left_as_it_is(database_url: str) -> None:
    assert (await migrate(database_url))[0] == 0


def test_the_job_ends_at_once_for_an_error_that_a_retry_would_repeat() -> None:
    (job, *_) = yaml.safe_load_all((ROOT / "deploy/k8s/base/migrations.yaml").read_text(encoding="utf-8"))
    rules: list[dict[str, Any]] = job["spec"]["podFailurePolicy"]["rules"]
    (failing,) = (rule["onExitCodes"] for rule in rules if rule["action"] == "FailJob")
    assert failing["operator"] == "NotIn"
    assert DATABASE_AWAY in failing["values"]
    assert 1 not in failing["values"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
