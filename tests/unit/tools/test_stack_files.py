"""The files that a stack writes."""

import base64
import stat
from pathlib import Path

import pytest

from tools.stack import postgres, vapid
from tools.stack.home import Home, read_json, write_private


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_files_are_private_and_whole(home: Home) -> None:
    file = home.path / "a.json"
    write_private(file, '{"a": 1}')
    assert read_json(file) == {"a": 1}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(home.path.glob(".a.json*")) == []


@pytest.mark.parametrize("text", ["", '{"a": '])
def test_a_file_that_was_cut_short_is_none(home: Home, text: str) -> None:
    (home.path / "a.json").write_text(text)
    assert read_json(home.path / "a.json") is None
    assert read_json(home.path / "none.json") is None


def test_a_secret_stays(home: Home) -> None:
    assert home.secret("postgres") == Home(home.path).secret("postgres")


def test_the_vapid_key_is_a_scalar_of_p256_and_stays(home: Home) -> None:
    key = vapid.private_key(home)
    assert len(base64.urlsafe_b64decode(key + "=")) == 32
    assert "=" not in key
    assert vapid.private_key(home) == key


def test_data_is_where_it_belongs_when_the_account_can_come_there(tmp_path: Path) -> None:
    assert postgres.place(tmp_path / "postgres", None) == tmp_path / "postgres"


def test_a_closed_folder_above_sends_the_data_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "FALLBACK_ROOT", tmp_path / "open")
    (tmp_path / "open").mkdir()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    placed = postgres.place(closed / "postgres", "postgres")
    assert placed.is_relative_to(tmp_path / "open")
    assert postgres.place(closed / "postgres", "postgres") == placed
