"""The checks of the fault tests find what they are there to find: each test spoils one thing."""

import pytest
from chat_client import Message

from tests.faults.load import check_pair
from tests.faults.people import User


def message(seq: int, sender: str, number: int) -> Message:
    return {
        "id": f"m{seq}",
        "conversationId": "c",
        "seq": seq,
        "senderId": sender,
        "type": "text",
        "content": f"{sender} {number}",
        "media": [],
        "isRead": False,
        "readAt": None,
        "deliveredAt": None,
        "createdAt": "2024-01-01T10:00:00.000Z",
    }


@pytest.fixture
def history() -> list[Message]:
    """Four messages, two of each."""
    return [message(1, "a", 0), message(2, "b", 0), message(3, "a", 1), message(4, "b", 1)]


@pytest.fixture
async def pair(history: list[Message]) -> tuple[User, User]:
    """Two who sent them, and saw them all."""
    users = (User.make("http://127.0.0.1:1", "a"), User.make("http://127.0.0.1:1", "b"))
    for user in users:
        user.sent = 2
        user.seen = [1, 2, 3, 4]
        user.acknowledged = [one for one in history if one["senderId"] == user.name]
    return users


def test_all_is_well(pair: tuple[User, User], history: list[Message]) -> None:
    check_pair(pair, history)


def test_an_acknowledged_message_that_is_gone(pair: tuple[User, User], history: list[Message]) -> None:
    with pytest.raises(AssertionError, match="lost"):
        check_pair(pair, history[:3])


def test_a_hole_in_history(pair: tuple[User, User], history: list[Message]) -> None:
    with pytest.raises(AssertionError, match="gaps"):
        check_pair(pair, [*history[:2], history[3]])


def test_a_message_that_is_stored_twice(pair: tuple[User, User], history: list[Message]) -> None:
    with pytest.raises(AssertionError, match="twice"):
        check_pair(pair, [*history, message(5, "b", 1)])


def test_messages_stored_out_of_order(pair: tuple[User, User]) -> None:
    swapped = [message(1, "a", 1), message(2, "b", 0), message(3, "a", 0), message(4, "b", 1)]
    for user in pair:
        user.acknowledged = [one for one in swapped if one["senderId"] == user.name]
    with pytest.raises(AssertionError, match="out of order"):
        check_pair(pair, swapped)


@pytest.mark.parametrize("seen", [[1, 2, 4], [1, 2, 2, 3, 4], [1, 3, 2, 4]], ids=["lost", "twice", "out of order"])
def test_what_a_user_did_not_see_rightly(pair: tuple[User, User], history: list[Message], seen: list[int]) -> None:
    pair[1].seen = seen
    with pytest.raises(AssertionError, match="b saw something else"):
        check_pair(pair, history)


def test_a_gap_that_the_client_gave_up(pair: tuple[User, User], history: list[Message]) -> None:
    pair[0].noticed["messages.missing"] = 1
    with pytest.raises(AssertionError):
        check_pair(pair, history)
