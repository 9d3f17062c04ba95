"""The image: what is in it, what isn't, and its errors when it is started wrongly."""

import subprocess

import pytest

from tests.containers.system import System

MOST_BYTES = 200_000_000
"""Of everything that the Dockerfile adds to its base."""


@pytest.fixture(scope="session")
def image(system: System) -> str:
    """The image that the services run."""
    return str(system.inspect(system.containers("messaging")[0])["Image"])


def run(
    image: str, *command: str, service: str = "", entrypoint: str = "entrypoint"
) -> "subprocess.CompletedProcess[str]":
    """Run a new container to its end."""
    options = ["--rm", "--read-only", "--network=none", f"--env=SERVICE={service}", f"--entrypoint={entrypoint}"]
    return subprocess.run(["docker", "run", *options, image, *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module", ["pip", "setuptools", "pytest", "mypy", "testcontainers", "sqlalchemy", "alembic", "rich"]
)
def test_nothing_to_build_with_is_left(image: str, module: str) -> None:
    assert f"No module named '{module}'" in run(image, "-c", f"import {module}", entrypoint="python").stderr


@pytest.mark.parametrize("program", ["gcc", "cc", "make", "pip", "git", "curl"])
def test_no_tool_is_left(image: str, program: str) -> None:
    assert run(image, "-c", f"command -v {program}", entrypoint="sh").stdout == ""


@pytest.mark.parametrize("service", ["", "os"])
def test_an_unknown_service_is_refused(image: str, service: str) -> None:
    done = run(image, service=service)
    assert done.returncode == 2
    assert "SERVICE" in done.stderr


@pytest.mark.parametrize("service", ["gateway", "messaging", "presence", "notifier", "media"])
def test_missing_settings_are_named(image: str, service: str) -> None:
    done = run(image, service=service)
    assert done.returncode == 2
    assert "CHAT_DATABASE_URL" in done.stderr


def test_it_adds_little_to_its_base(image: str) -> None:
    command = ["docker", "history", "--human=false", "--format={{.Size}} {{.CreatedBy}}", image]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    # The newest layers come first, and the last of ours sets the PATH to the virtual environment.
    ours = next(number for number, line in enumerate(lines) if "ENV PATH=/venv/bin" in line)
    assert sum(int(line.split()[0]) for line in lines[:ours]) < MOST_BYTES


def test_the_operators_tool_is_in_an_image_of_its_own(system: System) -> None:
    system.build("chatctl")
    done = system.chatctl("audit")
    assert done.returncode == 0, done.stderr
    done = system.chatctl("dead-letters", "list", "messaging.commands.dead")
    assert done.returncode == 0, done.stderr
