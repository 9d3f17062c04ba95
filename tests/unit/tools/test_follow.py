"""Following the logs of processes."""

from pathlib import Path

from tools.stack.errors import tail
from tools.stack.follow import Follower, new_lines


def test_only_what_is_added_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n")
    follower = Follower("a", log)
    with log.open("a") as file:
        file.write("one\ntwo\nhal")
    assert list(follower.lines()) == ["one", "two"]
    with log.open("a") as file:
        file.write("f\n")
    assert list(follower.lines()) == ["half"]


def test_a_log_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("a long first line\n")
    follower = Follower("a", log)
    log.write_text("new\n")
    assert list(follower.lines()) == ["new"]


def test_lines_carry_their_name_and_missing_logs_are_empty(tmp_path: Path) -> None:
    followers = [Follower("a", tmp_path / "a.log"), Follower("b", tmp_path / "none.log")]
    (tmp_path / "a.log").write_text("x\n")
    assert list(new_lines(followers)) == [("a", "x")]


def test_a_tail_is_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{number}\n" for number in range(100)))
    assert tail(log, 2) == "    98\n    99"
    assert tail(tmp_path / "none.log") == "    (nothing)"
