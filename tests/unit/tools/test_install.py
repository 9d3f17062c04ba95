"""What `make` installs before it begins."""

from pathlib import Path

import pytest

from tools.stack import install
from tools.stack.ladder import Machine


@pytest.fixture
def bare_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root on Debian, without any of the programs."""
    machine = Machine({}, has_docker=False, can_apt=True)
    monkeypatch.setattr("tools.stack.install.Machine.look", lambda _environment: machine)
    for module in ("install", "ladder"):
        monkeypatch.setattr(f"tools.stack.{module}.find_program", lambda _name: None)


@pytest.mark.usefixtures("bare_debian")
def test_a_bare_machine_gets_every_server() -> None:
    servers = ["postgresql", "rabbitmq-server", "redis-server", "haproxy"]
    assert install.debian_packages(for_tests=False) == servers


@pytest.mark.usefixtures("bare_debian")
def test_tests_get_what_they_would_else_lack() -> None:
    extra = set(install.debian_packages(for_tests=True)) - set(install.debian_packages(for_tests=False))
    assert extra == {"chromium", "chromium-headless-shell", "firefox-esr", "nodejs", "npm", "ffmpeg", "lua-check"}


@pytest.mark.usefixtures("bare_debian")
def test_a_package_is_known_by_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tools.stack.install.find_program", lambda name: Path("/usr/bin/node") if name == "node" else None
    )
    assert "nodejs" not in install.debian_packages(for_tests=True)


def test_the_checkers_wait_for_the_packages_that_bring_a_faster_installer(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(install, "STAMP", Path("/nowhere"))
    monkeypatch.setattr(install, "debian_packages", lambda **_options: [])
    monkeypatch.setattr(install, "python_packages", lambda: done.append("packages"))
    monkeypatch.setattr(install, "install_checkers", lambda: done.append("checkers"))
    monkeypatch.setattr("tools.checkers.has_packages", lambda: False)
    install.side_by_side(install.missing(for_tests=True))
    assert done == ["packages", "checkers"]
    done.clear()
    install.side_by_side(install.missing(for_tests=False))
    assert done == ["packages"]
