"""Ports are free, low, and stay the same."""

import socket
from pathlib import Path

import pytest

from tools.stack.errors import StackError
from tools.stack.home import Home
from tools.stack.ports import HIGHEST, LOWEST, PortBook, free_port, is_free, port_range

EPHEMERAL_FROM = 32768


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_port_is_below_the_ephemeral_range() -> None:
    assert free_port() <= HIGHEST < EPHEMERAL_FROM


def test_a_port_where_somebody_listens_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not is_free(listener.getsockname()[1])


def test_a_port_of_a_closed_server_is_free_at_once() -> None:
    """Its last connections may stand in TIME_WAIT for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            accepted.close()
    assert is_free(port)


def test_a_name_keeps_its_port(home: Home) -> None:
    port = PortBook(home).port("redis")
    assert PortBook(home).port("redis") == port


def test_names_have_ports_of_their_own(home: Home) -> None:
    book = PortBook(home)
    assert len({book.port(f"gateway-{number}") for number in range(50)}) == 50


def test_a_port_that_somebody_took_is_given_up(home: Home) -> None:
    port = PortBook(home).port("redis")
    book = PortBook(home, free=lambda candidate: candidate != port)
    book.release_taken(running=set())
    assert book.port("redis") != port


def test_the_ports_of_a_running_process_stay(home: Home) -> None:
    """Nobody else took them: it listens there itself."""
    first = PortBook(home)
    ports = (first.port("haproxy"), first.port("haproxy/status"))
    book = PortBook(home, free=lambda _: False)
    book.release_taken(running={"haproxy"})
    assert (book.port("haproxy"), book.port("haproxy/status")) == ports


def test_when_nothing_is_free_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="no free port"):
        free_port(free=lambda _: False)


def test_no_port_is_given_twice() -> None:
    """Who was given one may not listen on it yet."""
    ports = [free_port(free=lambda _: True) for _ in range(400)]
    assert len(set(ports)) == len(ports)


def test_a_range_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_PORTS", "16000-17000")
    assert all(16_000 <= free_port(free=lambda _: True) <= 17_000 for _ in range(50))


def test_without_a_range_it_is_the_whole() -> None:
    assert port_range("") == (LOWEST, HIGHEST)


@pytest.mark.parametrize("text", ["16000", "x-17000", "17000-16000", "80-16000", "16000-40000", "16000--17000"])
def test_a_wrong_range_is_named(text: str) -> None:
    with pytest.raises(StackError, match=f"STACK_PORTS={text}: must be two ports"):
        port_range(text)
