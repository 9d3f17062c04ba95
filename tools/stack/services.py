"""The project's own processes: the services, and the development server."""

import os
import sys
from collections.abc import Mapping
from functools import partial

from tools.devtoken import LOCAL_SECRET, LOCAL_WEBHOOK_SECRET
from tools.stack import probes, vapid
from tools.stack.home import Home
from tools.stack.plan import PREFIX, Plan
from tools.stack.ports import PortBook
from tools.stack.program import Layer, Program


def environment(plan: Plan, home: Home, urls: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """Return every service's environment: the whole inherited one, the given settings, and the local stack's defaults for the
    others.

    `urls`: variable → URL of each backend.
    """
    # Pages of any development server on this machine.
    origins = "http://127.0.0.1:*,http://localhost:*"
    usual = {
        "CHAT_DEV_LOGIN": "1",
        "CHAT_DRAIN_SECONDS": "1",
        "CHAT_LOG_FORMAT": "console",
        "CHAT_ALLOWED_ORIGINS": origins,
        "CHAT_VAPID_PRIVATE_KEY": vapid.private_key(home),
        "CHAT_PUBLIC_URL": f"http://127.0.0.1:{plan.port}",
        "CHAT_UPLOAD_SIGNING_KEYS": home.secret("uploads"),
        # All services share this machine, so the checks of files and the pushes leave half of its cores to the chat.
        "CHAT_UPLOAD_WORKERS": str(max(1, (os.cpu_count() or 1) // 2)),
        "CHAT_PUSH_PER_SECOND": "200",
        "CHAT_UPLOAD_STORE": f"file://{home.data('uploads')}",
        "CHAT_WEBHOOK_SECRET": LOCAL_WEBHOOK_SECRET,
    }
    if "CHAT_JWKS_URL" not in plan.settings:
        usual["CHAT_JWT_SECRET"] = LOCAL_SECRET
    others = {name: value for name, value in inherited.items() if not name.startswith(PREFIX)}
    return {**others, **usual, **plan.settings, **urls, "CHAT_HTTP_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1"}


def programs(plan: Plan, ports: PortBook, common: Mapping[str, str]) -> list[Program]:
    """Every replica of every service, then the development server."""
    found = [
        _program(f"{service}-{number}", f"services.{service}", ports, common)
        for service, count in plan.replicas.items()
        for number in range(1, count + 1)
    ]
    return [*found, _program("devserver", "tools.devserver", ports, common)]


async def _at_once() -> None:
    """The probe of a program that no one waits for to be ready."""


def migrations(environment: Mapping[str, str]) -> Program:
    """What brings the database to the newest schema, and ends."""
    return Program("migrations", (sys.executable, "-m", "migrations"), 0, _at_once, environment)


def _program(name: str, module: str, ports: PortBook, common: Mapping[str, str]) -> Program:
    port = ports.port(name)
    own = {**common, "CHAT_INSTANCE": name, "CHAT_HTTP_PORT": str(port)}
    return Program(
        name=name,
        command=(sys.executable, "-m", module),
        port=port,
        probe=partial(probes.http_ready, port),
        environment=own,
        settings={key: value for key, value in own.items() if key.startswith(PREFIX)},
        layer=Layer.SERVICE,
    )
