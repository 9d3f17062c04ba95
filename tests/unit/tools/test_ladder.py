"""The source of each backend."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.stack import ladder
from tools.stack.errors import NoServer, StackError
from tools.stack.ladder import AMQP, DATABASE, KINDS, REDIS, Kind, Machine, Source

Find = Callable[[str], Path | None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The server programs of this machine: those that a test adds."""
    programs: set[str] = set()
    monkeypatch.setattr(ladder, "find_program", lambda name: Path("/bin", name) if name in programs else None)
    return programs


def test_a_given_url_comes_first(installed: set[str]) -> None:
    installed.update(REDIS.programs)
    machine = Machine({"CHAT_REDIS_URLS": "redis://somewhere"}, has_docker=True, can_apt=True)
    assert machine.source(REDIS) is Source.GIVEN
    assert machine.source(AMQP) is Source.DOCKER


def test_then_docker_then_programs_then_apt(installed: set[str]) -> None:
    installed.update(DATABASE.programs)
    assert Machine({}, has_docker=True, can_apt=True).source(DATABASE) is Source.DOCKER
    assert Machine({}, has_docker=False, can_apt=True).source(DATABASE) is Source.NATIVE
    assert Machine({}, has_docker=False, can_apt=True).source(AMQP) is Source.APT


def test_docker_without_images_comes_last(installed: set[str]) -> None:
    """It may be unable to fetch them: `make up` would fail where the programs would serve."""
    installed.update(DATABASE.programs)
    machine = Machine({}, has_docker=True, can_apt=True, has_images=False)
    assert (machine.source(DATABASE), machine.source(AMQP)) == (Source.NATIVE, Source.APT)
    assert Machine({}, has_docker=True, can_apt=False, has_images=False).source(AMQP) is Source.DOCKER
    insisting = Machine({"STACK_BACKENDS": "docker"}, has_docker=True, can_apt=True, has_images=False)
    assert insisting.source(DATABASE) is Source.DOCKER


@pytest.mark.parametrize("has_images", [True, False])
def test_an_engine_is_asked_for_its_images(has_images: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "docker"
    inspected = "image inspect " + " ".join(kind.image for kind in KINDS if has_images)
    engine.write_text(f'#!/bin/sh\n[ "$1" = version ] || [ "$*" = "{inspected}" ]\n', encoding="utf-8")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    machine = Machine.look({})
    assert (machine.has_docker, machine.has_images) == (True, has_images)


def test_half_of_the_programs_are_none(installed: set[str]) -> None:
    installed.add("postgres")
    assert Machine({}, has_docker=False, can_apt=True).source(DATABASE) is Source.APT


def test_data_of_private_programs_keeps_them_in_charge(installed: set[str]) -> None:
    installed.update(DATABASE.programs)
    assert Machine({}, has_docker=True, can_apt=False).source(DATABASE, has_native_data=True) is Source.NATIVE
    insisting = Machine({"STACK_BACKENDS": "docker"}, has_docker=True, can_apt=False)
    assert insisting.source(DATABASE, has_native_data=True) is Source.DOCKER


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
@pytest.mark.usefixtures("installed")
def test_otherwise_the_three_ways_are_named(kind: Kind) -> None:
    with pytest.raises(NoServer) as caught:
        Machine({}, has_docker=False, can_apt=False).source(kind)
    message = str(caught.value)
    assert all(text in message for text in (kind.variable, "Docker", kind.package))


def test_another_wish_is_refused() -> None:
    with pytest.raises(StackError, match="STACK_BACKENDS=podman"):
        Machine.look({"STACK_BACKENDS": "podman"})


def test_the_newest_of_several_versions_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("9", "15", "14"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
    monkeypatch.setattr(ladder, "PROGRAM_FOLDERS", (f"{tmp_path}/*/bin",))
    assert ladder.find_program("initdb") == tmp_path / "15" / "bin" / "initdb"
