"""What `chatctl` does without a running system: tokens, comparisons, and failures that say what to do."""

import json
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from tests.unit.tools.bench.test_results import outcome
from tools import target
from tools.bench.outcome import Run, save
from tools.chatctl import app as chatctl
from tools.chatctl.tail import line
from tools.devtoken import secret_in_use, user_id
from tools.failure import Failure


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No local stack runs, and no variable names another system. Returns where its `stack.json` would be."""
    for name in ("CHAT_URL", "CHAT_REDIS_URLS", "CHAT_DATABASE_URL", "CHAT_AMQP_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(target, "STACK_FILE", tmp_path / "stack.json")
    return tmp_path / "stack.json"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(chatctl.app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_token_names_the_user() -> None:
    claims = jwt.decode(run("token", "alice").strip(), secret_in_use(), algorithms=["HS256"])
    assert (claims["sub"], claims["preferred_username"]) == (str(user_id("alice")), "alice")
    assert json.loads(run("token", "alice", "--json"))["userId"] == str(user_id("alice"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("tail", "alice"),
        ("send", "--as", "alice", "bob", "hi"),
        ("revoke", "alice"),
        ("unread", "alice"),
        ("dead-letters", "list"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_a_stack_it_says_how_to_get_one(arguments: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as raised:
        run(*arguments)
    assert "make up" in raised.value.remedy


@pytest.mark.parametrize("url", ["chat.example", "127.0.0.1:8080", "ws://127.0.0.1:8080"])
def test_what_is_no_origin_is_told(url: str) -> None:
    with pytest.raises(Failure, match=f"{url} is no origin") as raised:
        run("send", "--as", "alice", "bob", "hi", "--url", url)
    assert "http://" in raised.value.remedy


def test_a_server_that_is_away_is_told() -> None:
    with pytest.raises(Failure) as raised:
        run("send", "--as", "alice", "bob", "hi", "--url", "http://127.0.0.1:1")
    assert "chatctl status" in raised.value.remedy


def test_dead_letters_are_in_known_queues_only(nowhere: Path) -> None:
    with pytest.raises(Failure, match="no dead-letter queue"):
        run("dead-letters", "list", "messaging.commands")


def test_a_dead_process_is_found(nowhere: Path) -> None:
    processes = [{"name": "gateway-1", "pid": 2**22 + 1, "port": 1}]
    nowhere.write_text(json.dumps({"url": "http://127.0.0.1:1", "backends": {}, "processes": processes}))
    with pytest.raises(Failure, match="not ready: gateway-1") as raised:
        run("status")
    assert "make up" in raised.value.remedy


def test_a_broken_stack_file_is_told(nowhere: Path) -> None:
    nowhere.write_text("{")
    with pytest.raises(Failure, match="can't be read"):
        run("status")


def test_a_comparison_shows_what_changed(tmp_path: Path) -> None:
    for name, count in (("a", 1000), ("b", 1500)):
        save(Run(f"at {name}", name, {}, [outcome(count=count)]), tmp_path / f"{name}.json")
    text = run("bench-compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert "+50.0 %" in text
    with pytest.raises(Failure) as raised:
        run("bench-compare", str(tmp_path / "a.json"), str(tmp_path / "none.json"))
    assert "make bench" in raised.value.remedy


def test_events_are_readable() -> None:
    message = {"seq": 7, "content": "Hello [there]", "type": "text", "senderId": "x", "sender": {"username": "bob"}}
    assert "#7 bob: Hello \\[there]" in line({"type": "message.new", "payload": {"message": message}})
    assert "code: blocked" in line({"type": "error", "error": {"code": "blocked", "message": "no"}})
    assert "no friends" in line({"type": "status.bulk", "payload": {"users": []}})


def test_main_prints_problem_and_remedy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["chatctl", "status"])
    with pytest.raises(SystemExit) as ended:
        chatctl.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "no local stack runs" in said
    assert "→ start one with `make up`" in said
