"""Which Python the environment is made with."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.stack import interpreter


@pytest.mark.parametrize(
    ("prefix", "configured", "optimized"),
    [
        ("/root/.pyenv/versions/3.11.7", "'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared'", False),
        ("/opt/hostedtoolcache/Python/3.13.9/x64", "'--enable-optimizations' '--with-lto'", True),
        ("/usr", "'--enable-shared' '--prefix=/usr'", True),
        ("/opt/python", None, False),
    ],
)
def test_optimized_builds_are_known(prefix: str, configured: str | None, optimized: bool) -> None:
    assert interpreter.is_optimized(prefix, configured) == optimized


def test_an_optimized_python_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.base_prefix", "/usr")
    assert interpreter.faster(sys.executable) is None


def test_another_is_taken_when_it_can_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.base_prefix", "/opt/slow")
    monkeypatch.setattr("sysconfig.get_config_var", lambda _name: "'--prefix=/opt/slow'")
    assert interpreter.faster(sys.executable) == sys.executable
    assert interpreter.faster(str(tmp_path / "none")) is None
    too_old = tmp_path / "python3"
    too_old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    too_old.chmod(0o755)
    assert interpreter.faster(str(too_old)) is None


def test_an_environment_of_another_python_is_known(tmp_path: Path) -> None:
    assert interpreter.is_this(Path(sys.executable))
    assert not interpreter.is_this(tmp_path / "none")
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.9.0\n", encoding="utf-8")
    other.chmod(0o755)
    assert subprocess.check_output([other], text=True) == "3.9.0\n"
    assert not interpreter.is_this(other)
