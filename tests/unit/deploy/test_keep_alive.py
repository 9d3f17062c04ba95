"""An idle connection lives longer at a service than at the balancer: no request goes into one that is just being closed."""

import re
from pathlib import Path

import pytest

from shared.rest import KEEP_ALIVE_SECONDS

ROOT = Path(__file__).parents[3]
HAPROXY = (ROOT / "deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
APPS = sorted((ROOT / "services").glob("*/app.py"))


def test_a_connection_to_a_service_ends_with_the_clients() -> None:
    assert re.search(r"^\s+http-reuse never$", HAPROXY, re.MULTILINE)
    kept = re.search(r"timeout http-keep-alive (\d+)s", HAPROXY)
    assert kept is not None
    assert int(kept[1]) + 10 <= KEEP_ALIVE_SECONDS


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.parent.name)
def test_every_service_keeps_idle_connections_so_long(app: Path) -> None:
    """Each makes its server by `shared.service.http_server`, or, as the gateway, by itself."""
    made_here = app if "uvicorn.Config(" in (text := app.read_text(encoding="utf-8")) else ROOT / "shared/service.py"
    assert made_here == app or "http_server(" in text
    assert "timeout_keep_alive=KEEP_ALIVE_SECONDS" in made_here.read_text(encoding="utf-8")
