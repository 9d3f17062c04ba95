"""Two people talk with each client over a network that misbehaves: nothing lost, nothing twice, everything in order.

`make chaos` sends 1,000 messages with each, and writes its line of the table in `docs/reliability.md`; without it a short form
runs. `make chaos ARGS="-k Python"` runs one client.
"""

import os
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos import report
from tests.chaos.network import bad_network
from tests.chaos.talkers import Seen, Talk, in_chromium, in_node, in_python
from tests.support.people import People
from tests.support.stack import Stack

LONG = os.environ.get("CHAOS") == "long"
COUNT = 500 if LONG else 15
"""Messages of each of the two."""
PACE_SECONDS = 0.1
SEED = 7

CLIENTS = {"JavaScript in Node": in_node, "JavaScript in Chromium": in_chromium, "Python": in_python}


@pytest.mark.timeout(2_000 if LONG else 300)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_nothing_is_lost_doubled_or_out_of_order(
    stack: Stack,
    people: People,
    client: Callable[[Talk], Awaitable[list[Seen]]],
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation_id = await alice.conversation_with(bob)
    tokens = {person.username: person.token for person in (alice, bob)}
    async with (
        stack.settings(*stack.names("gateway"), CHAT_MESSAGES_PER_MINUTE="0"),
        bad_network(stack.url, SEED) as (url, network),
    ):
        seen = await client(Talk(url, stack.url, tokens, conversation_id, COUNT, PACE_SECONDS))
    for one in seen:
        assert [seq for seq, _ in one.shown] == list(range(1, 2 * COUNT + 1)), one.username
        for name in tokens:
            said = [content for _, content in one.shown if content.startswith(f"{name} ")]
            assert said == [f"{name} {number}" for number in range(1, COUNT + 1)]
        assert one.lost == 0
    assert len({tuple(one.shown) for one in seen}) == 1
    assert network.faults, "the network never misbehaved"
    line = report.row(request.node.callspec.id, seen, network.faults.total())
    if LONG:
        report.write(line, list(CLIENTS))
    with capsys.disabled():
        print(f"\n{line}{dict(network.faults)}")
