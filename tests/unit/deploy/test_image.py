"""The image's entrypoint and health check."""

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.deploy.manifests import DEPLOY, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def start(service: str | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the entrypoint with a `python` that prints its arguments."""
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"} | ({} if service is None else {"SERVICE": service})
    command = ["sh", str(DEPLOY / "image/entrypoint.sh")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("service", "module"),
    [
        ("gateway", "services.gateway"),
        ("messaging", "services.messaging"),
        ("presence", "services.presence"),
        ("notifier", "services.notifier"),
        ("media", "services.media"),
        ("admin", "services.admin"),
        ("webhooks", "services.webhooks"),
        ("migrations", "migrations"),
        ("devserver", "tools.devserver"),
    ],
)
def test_a_service_is_started_by_its_name(service: str, module: str, tmp_path: Path) -> None:
    done = start(service, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"-m {module}\n")
    assert (ROOT / module.replace(".", "/")).is_dir() or (ROOT / f"{module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("service", [None, "", "os", "../gateway"])
def test_another_name_is_refused(service: str | None, tmp_path: Path) -> None:
    done = start(service, tmp_path)
    assert done.returncode == 2
    assert "SERVICE" in done.stderr


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers `/healthz` with the status that the server was given."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/healthz" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(port: int) -> int:
    command = [sys.executable, "-S", str(DEPLOY / "image/healthcheck.py")]
    return subprocess.run(command, env={"CHAT_HTTP_PORT": str(port)}, check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_the_check_says_what_the_server_says(server: http.server.HTTPServer, status: int, code: int) -> None:
    server.status = status  # type: ignore[attr-defined]
    assert ask(server.server_port) == code


def test_no_answer_is_not_healthy(server: http.server.HTTPServer) -> None:
    server.server_close()
    assert ask(server.server_port) == 1


def test_the_image_is_slim_and_unprivileged() -> None:
    assert "# syntax=" not in DOCKERFILE
    assert "ARG BASE_IMAGE=python:3.11-slim\n" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1] == users[0] == "10001:10001"
    assert DOCKERFILE.rstrip().endswith("FROM runtime")


def test_the_context_holds_what_is_copied() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    ]
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    assert copied
    for source in copied:
        assert any(source == entry or source.startswith(f"{entry}/") for entry in allowed), source
        assert list(ROOT.glob(source)), source
    for entry in allowed:
        assert any(source == entry or source.startswith(f"{entry}/") for source in copied), entry
