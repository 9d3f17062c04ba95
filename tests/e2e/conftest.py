"""The whole system behind HAProxy with two gateways, and people who use it."""

from dataclasses import dataclass

import pytest

from tests.support.people import People, Person
from tests.support.platform import Platform
from tests.support.stack import Stack


@pytest.fixture
def platform(stack: Stack) -> Platform:
    """The platform's back end, with a service token."""
    return Platform(stack.admin_url)


@dataclass
class Pair:
    """Two people with a conversation, whose sockets are made on different gateways."""

    alice: Person
    bob: Person
    conversation: str


@pytest.fixture
async def pair(people: People) -> Pair:
    """Alice and Bob, who have a conversation and aren't connected."""
    alice, bob = people.make("alice"), people.make("bob")
    return Pair(alice, bob, await alice.conversation_with(bob))
