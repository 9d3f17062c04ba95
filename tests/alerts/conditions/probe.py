"""The black-box probe: it fails, it isn't there, and it is shown a certificate that ends soon."""

import os
import time
from collections.abc import AsyncIterator
from functools import partial

from tests.alerts.condition import condition
from tests.alerts.watched import Watched
from tests.support.backends import run
from tests.support.certificates import Certificates, make_certificates
from tools.stack import probes
from tools.stack.haproxy import POLICY
from tools.stack.ladder import program
from tools.stack.ports import free_port
from tools.stack.program import Program

PROBE = ("chatctl", "probe", "--seconds", "30")


async def probe(watched: Watched, **variables: str) -> None:
    """One run of the CronJob, which must succeed."""
    environment = {**watched.environment, **variables}
    await run(("bash", "-c", " ".join(PROBE)), environment)


async def failed_probe(watched: Watched) -> None:
    """One that mustn't."""
    await run(("bash", "-c", f"! {' '.join(PROBE[:-1])} 3"), watched.environment)


@condition("messaging is stopped, and the probe runs", ChatProbeFails={})
async def failing(watched: Watched) -> AsyncIterator[None]:
    for name in ("messaging-1", "messaging-2"):
        await watched.services.stop(name)
    await failed_probe(watched)
    yield
    assert await watched.prometheus.has(
        'chat_probe_step_failed{step="login"} == 1 or chat_probe_step_failed{step="send"} == 1'
    )
    assert "messaging" in await watched.operator("ChatProbeFails").run("chatctl doctor", fails=True)
    await watched.services.revive()
    await probe(watched)


@condition("no probe runs any more", ChatProbeMissing={})
async def missing(watched: Watched) -> AsyncIterator[None]:
    await probe(watched)
    yield
    await probe(watched)


@condition("HAProxy shows a certificate that ends in a day", ChatCertificateEnds={})
async def certificate(watched: Watched) -> AsyncIterator[None]:
    folder = watched.home.data("certificates")
    port = free_port()
    environment = {
        **os.environ,
        # As deploy/compose/tls.yml has it.
        "HAPROXY_BIND": f"127.0.0.1:{port} ssl crt {folder}/ alpn h2,http/1.1 ssl-min-ver TLSv1.2",
    }
    servers = watched.services.home.data("haproxy") / "servers.cfg"
    secured = Program(
        name="haproxy-tls",
        command=(program("haproxy"), "-db", "-f", str(POLICY), "-f", str(servers)),
        port=port,
        probe=partial(probes.listening, port),
        environment=environment,
    )

    async def show(days: float) -> Certificates:
        """Put a certificate into the folder, and restart HAProxy."""
        made = make_certificates(watched.home.data("authority"), days)
        folder.mkdir(exist_ok=True)
        (folder / "chat.pem").write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
        if (running := watched.processes.find(secured.name)) is not None:
            await watched.processes.stop(running)
        await watched.starter.launch(secured)
        await watched.starter.await_ready(secured)
        return made

    url = f"https://127.0.0.1:{port}"
    try:
        made = await show(1)
        await probe(watched, CHAT_URL=url, SSL_CERT_FILE=str(made.authority))
        yield
        began = time.time()
        made = await show(90)
        await probe(watched, CHAT_URL=url, SSL_CERT_FILE=str(made.authority))
        assert await watched.prometheus.has("chat_probe_certificate_expiry_timestamp_seconds") or began
    finally:
        await watched.processes.stop(watched.processes.get(secured.name))
