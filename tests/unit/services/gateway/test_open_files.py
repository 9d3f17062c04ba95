"""services.gateway.open_files: too low a limit of open files is raised, or lowers the number of connections with a warning."""

import resource

import pytest

from services.gateway.open_files import OTHER_FILES, connections_that_fit


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The limit of open files, soft and hard, in place of this process's."""
    held = {"limit": (1_000, 5_000)}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: held["limit"])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limit: held.update(limit=limit))
    return held


def test_the_soft_limit_is_raised(limits: dict[str, tuple[int, int]]) -> None:
    assert connections_that_fit(3_000, fixed=True) == 3_000
    assert limits["limit"] == (3_000 + OTHER_FILES, 5_000)


@pytest.mark.usefixtures("limits")
def test_the_usual_number_gives_way_to_the_hard_limit() -> None:
    assert connections_that_fit(20_000, fixed=False) == 5_000 - OTHER_FILES


@pytest.mark.usefixtures("limits")
def test_a_number_that_was_asked_for_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        connections_that_fit(20_000, fixed=True)
    assert exit_.value.code == 2
    assert "CHAT_MAX_CONNECTIONS" in capsys.readouterr().err
