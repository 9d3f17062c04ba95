"""The parts of the probe that need no system: tokens, steps, metrics, the certificate."""

import asyncio
import ssl
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from tests.support.certificates import DAY, make_certificates
from tools.failure import Failure
from tools.probe.certificate import certificate_end
from tools.probe.metrics import registry_of
from tools.probe.people import CLIENTS, TOKEN_URL, token_sources
from tools.probe.steps import StepFailedError, Steps


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_the_end_of_a_certificate_is_read(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    server = await asyncio.start_server(_hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        origin = f"https://127.0.0.1:{port}"
        ends = await asyncio.to_thread(certificate_end, origin, str(made.authority))
        assert await asyncio.to_thread(certificate_end, origin) is None
    assert ends is not None
    written = made.certificate.stat().st_mtime
    assert abs(ends - written - DAY.total_seconds()) < 60


def test_without_tls_there_is_no_certificate() -> None:
    assert certificate_end("http://127.0.0.1:8080") is None


async def test_the_first_step_that_fails_is_the_last() -> None:
    steps = Steps()
    async with steps.step("login", 10):
        pass
    before = steps.succeeded
    with pytest.raises(StepFailedError):
        async with steps.step("send", 0.01):
            await asyncio.Event().wait()
    assert (before, steps.succeeded) == (True, False)
    assert [step.name for step in steps.taken] == ["login", "send"]
    assert "no answer within 0.01 s" in (steps.taken[-1].error or "")


async def test_a_fault_of_the_probe_itself_is_no_finding() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Steps().step("login", 10):
            raise ZeroDivisionError


def test_metrics_say_what_happened() -> None:
    text = generate_latest(registry_of(Steps(), 1000.0, 2000.0)).decode()
    assert "chat_probe_success 0.0" in text
    assert "chat_probe_last_run_timestamp_seconds 1000.0" in text
    assert "chat_probe_certificate_expiry_timestamp_seconds 2000.0" in text
    assert "certificate" not in generate_latest(registry_of(Steps(), 1000.0)).decode()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"CHAT_JWKS_URL": "https://id.example/keys"}, TOKEN_URL),
        ({TOKEN_URL: "https://id.example/token"}, CLIENTS),
        ({TOKEN_URL: "https://id.example/token", CLIENTS: "a:b"}, CLIENTS),
        ({TOKEN_URL: "https://id.example/token", CLIENTS: "a:b,c"}, CLIENTS),
    ],
)
def test_settings_that_give_no_tokens_are_named(
    variables: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Failure, match=problem):
        token_sources()
