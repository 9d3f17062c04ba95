"""`chatctl probe` on the running system: each step is taken and measured, and a step that fails fails the command."""

import json
from pathlib import Path

from tests.e2e.test_chatctl import environment, started
from tests.support.stack import Stack
from tools.stack.ports import free_port

STEPS = ["login", "send", "receive", "read", "delete"]


async def probed(stack: Stack, *arguments: str, **variables: str) -> tuple[int, list[dict[str, object]], str]:
    """Exit status, the steps, and what was said on stderr."""
    given = {**environment(stack), **variables}
    async with started(stack, "probe", "--seconds", "60", "--json", *arguments, variables=given) as process:
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, json.loads(out or b"[]"), err.decode()


async def test_a_message_goes_all_the_way_and_is_measured(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "probe.prom"
    status, steps, err = await probed(stack, "--metrics", str(file))
    assert status == 0, err
    assert [step["name"] for step in steps] == STEPS
    written = file.read_text(encoding="utf-8")
    assert "chat_probe_success 1.0" in written
    assert 'chat_probe_step_seconds{step="receive"}' in written


async def test_a_push_arrives_and_is_read(stack: Stack) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    settings = {"CHAT_PUSH_ALLOWED_HOSTS": origin, "CHAT_PUSH_DELAY_SECONDS": "1"}
    async with stack.settings("notifier-1", **settings):
        status, steps, err = await probed(
            stack, "--push-origin", origin, "--push-listen", f"127.0.0.1:{port}", **settings
        )
    assert status == 0, err
    assert [step["name"] for step in steps] == [*STEPS, "push"]


async def test_a_step_that_fails_is_named(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "probe.prom"
    status, steps, err = await probed(
        stack, "--metrics", str(file), CHAT_JWT_SECRET="not the secret of these services 0123456789"
    )
    assert status == 1
    assert [step["name"] for step in steps] == ["login"]
    assert steps[0]["error"]
    assert "login failed" in err
    written = file.read_text(encoding="utf-8")
    assert "chat_probe_success 0.0" in written
    assert 'chat_probe_step_failed{step="login"} 1.0' in written
