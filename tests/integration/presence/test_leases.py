"""The script does what the rules in Python say."""

import uuid
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.presence.leases import Leases
from services.presence.rules import RANK, Change, Choose, Close, Doubt, Hold, Lose
from shared.protocol import keys
from shared.protocol.payloads import Status
from shared.redis import Partitions
from tests.support import presence_model as model
from tests.support.fuzzing import scaled
from tests.support.presence import STARTED_AT, TIMING, FakeClock, listen, sweep

CONNECTIONS = st.sampled_from(["a", "b", "c"])
AGES = st.integers(0, 70_000) | st.just(0)
STATUSES = st.sampled_from([status for status in RANK if status != "offline"])


DRAWN = st.tuples(st.sampled_from(["hold", "lose", "close", "doubt", "choose"]), CONNECTIONS, AGES, STATUSES)
STEPS = st.lists(
    st.tuples(st.integers(0, 40_000) | st.integers(0, 9_000), st.booleans(), st.lists(DRAWN, max_size=4)), max_size=12
)


def made(drawn: tuple[str, str, int, Status], prefix: str, now: int) -> Change:
    kind, name, age, status = drawn
    connection, at_ms = f"{prefix}-{name}", now - age
    match kind:
        case "hold":
            return Hold(connection, at_ms)
        case "lose":
            return Lose(connection, at_ms, reconnect_ms=age % 3 * 5_000)
        case "close":
            return Close(connection, at_ms)
        case "doubt":
            return Doubt(connection, at_ms)
        case _:
            return Choose(connection, at_ms, status)


async def stored(partitions: Partitions, user: str) -> tuple[dict[str, int], dict[str, tuple[int, str]], int | None]:
    """Leases, chosen statuses and last sign of life of a user, as Redis has them."""
    client = partitions.of(user).client
    leases = cast("list[tuple[bytes, float]]", await client.zrange(keys.key(keys.LEASES, user), 0, -1, withscores=True))
    chosen = cast("dict[bytes, bytes]", await client.hgetall(keys.key(keys.STATUSES, user)))
    seen = cast("bytes | None", await client.get(keys.key(keys.ONLINE, user)))
    return (
        {connection.decode(): int(end) for connection, end in leases},
        {name.decode(): _choice(entry) for name, entry in chosen.items()},
        None if seen is None else int(seen),
    )


def _choice(entry: bytes) -> tuple[int, str]:
    at, _, status = entry.decode().partition(":")
    return int(at), status


@given(steps=STEPS)
@settings(max_examples=scaled(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_script_follows_the_rules(partitions: Partitions, steps: list[tuple[int, bool, list[Any]]]) -> None:
    user, clock, presence = str(uuid.uuid4()), FakeClock(), model.UserPresence()
    leases, feed = Leases(partitions, TIMING, clock), model.RenewalFeed()
    await partitions.of(user).client.delete(keys.RENEWAL_FEED)
    for pause, listening, drawn in steps:
        clock.now += pause
        await sweep(leases, 0, listening=listening)
        model.listen(feed, clock.now, TIMING, listening=listening)
        changes = [made(each, user, clock.now) for each in drawn]
        before = model.effective(presence)
        trusted = model.listen(feed, clock.now, TIMING, listening=False)
        told = model.advance(presence, changes, clock.now, TIMING, trusted)
        [outcome] = await leases.advance({user: changes}, {user})
        assert (outcome.before, outcome.after) == (before, model.effective(presence))
        assert bool(outcome.announcement) == told
        assert await stored(partitions, user) == (presence.leases, presence.chosen, presence.seen)
        due = await partitions.of(user).client.zscore(keys.LEASES_DUE, user)
        assert due == min(presence.leases.values(), default=None)


async def test_the_keys_of_the_contract(partitions: Partitions, clock: FakeClock, alice: str) -> None:
    leases = Leases(partitions, TIMING, clock)
    client, online = partitions.of(alice).client, keys.key(keys.ONLINE, alice)
    await leases.advance({alice: [Hold("a", clock.now)]}, set())
    assert await client.get(online) == str(STARTED_AT // 1000).encode()
    assert 59_000 < await client.pttl(online) <= 60_000
    clock.now += 7_000
    await leases.advance({alice: [Close("a", clock.now)]}, set())
    assert await client.get(online) == str(STARTED_AT // 1000 + 7).encode()
    assert await client.pttl(online) == -1


async def test_each_end_is_taken_by_one_caller(partitions: Partitions, clock: FakeClock) -> None:
    one, other = Leases(partitions, TIMING, clock), Leases(partitions, TIMING, clock)
    users = [str(uuid.uuid4()) for _ in range(40)]
    await one.advance({user: [Hold(f"{user}-a", clock.now)] for user in users}, set())
    await listen(one, clock, TIMING.lease_ms)
    found = []
    for leases in (one, other) * 3:
        more, ended = await sweep(leases, 15, listening=True)
        found += [outcome.user_id for outcome in ended]
    assert not more
    assert sorted(found) == sorted(users)


async def test_more_than_a_sweep_takes(partitions: Partitions, clock: FakeClock) -> None:
    """Users whose other device lives on fill a sweep without a change: the rest must not wait for the next."""
    leases = Leases(partitions, TIMING, clock)
    users = [str(uuid.uuid4()) for _ in range(20)]
    await leases.advance({user: [Hold(f"{user}-a", clock.now)] for user in users}, set())
    await listen(leases, clock, TIMING.lease_ms // 2)
    await leases.advance({user: [Hold(f"{user}-b", clock.now)] for user in users}, set())
    await listen(leases, clock, TIMING.lease_ms // 2)
    assert await sweep(leases, 2, listening=True) == (True, [])
    assert await sweep(leases, 100, listening=True) == (False, [])


async def test_leases_do_not_end_while_nobody_can_renew_them(
    partitions: Partitions, clock: FakeClock, alice: str
) -> None:
    """The broker is away for ten minutes. Then gateways have the time to renew; who isn't renewed is gone."""
    leases = Leases(partitions, TIMING, clock)
    await listen(leases, clock, TIMING.lease_ms)
    bob, carol = str(uuid.uuid4()), str(uuid.uuid4())
    users: dict[str, list[Change]] = {user: [Hold(f"{user}-a", clock.now)] for user in (alice, bob, carol)}
    await leases.advance(users, set())
    await leases.advance({carol: [Lose(f"{carol}-a", clock.now)]}, set())
    for _ in range(120):
        clock.now += 5_000
        ended = [outcome.user_id for outcome in (await sweep(leases, 10, listening=False))[1]]
        assert ended in ([], [carol])
    await sweep(leases, 10, listening=True)
    await listen(leases, clock, TIMING.renewal_wait_ms - 1)
    assert (await sweep(leases, 10, listening=True))[1] == []
    await leases.advance({alice: [Hold(f"{alice}-a", clock.now)]}, set())
    clock.now += 1
    assert [outcome.user_id for outcome in (await sweep(leases, 10, listening=True))[1]] == [bob]


async def test_a_connection_whose_gateway_lives_does_not_end_with_its_lease(
    partitions: Partitions, clock: FakeClock, alice: str
) -> None:
    """The gateway is cut off from the broker for longer than a lease: nobody can know that the user has gone."""
    leases, client = Leases(partitions, TIMING, clock), partitions.of(alice).client
    await listen(leases, clock, TIMING.lease_ms)
    await leases.advance({alice: [Hold("a", clock.now), Hold("b", clock.now)]}, set())
    await client.hset(keys.key(keys.ROUTES, alice), mapping={"a": "living", "b": "dead"})
    seconds, _ = await client.time()
    await client.zadd(keys.GATEWAYS_HEARD, {"living": seconds * 1000, "dead": seconds * 1000 - keys.GATEWAY_DEAD_MS})
    await listen(leases, clock, TIMING.lease_ms)
    assert (await sweep(leases, 10, listening=True))[1] == []
    held, _, _ = await stored(partitions, alice)
    assert held == {"a": clock.now + TIMING.renewal_wait_ms}
    await client.zadd(keys.GATEWAYS_HEARD, {"living": seconds * 1000 - keys.GATEWAY_DEAD_MS})
    await listen(leases, clock, TIMING.renewal_wait_ms)
    assert [outcome.user_id for outcome in (await sweep(leases, 10, listening=True))[1]] == [alice]


async def test_a_doubted_connection_ends_with_the_grace_or_lives_by_a_renewal(
    partitions: Partitions, clock: FakeClock, alice: str
) -> None:
    """Its gateway was taken for dead. Users who came back elsewhere and closed are offline soon; a gateway that lives renews."""
    leases, bob = Leases(partitions, TIMING, clock), str(uuid.uuid4())
    await listen(leases, clock, TIMING.lease_ms)
    users = {user: f"{user}-a" for user in (alice, bob)}
    await leases.advance({user: [Hold(connection, clock.now)] for user, connection in users.items()}, set())
    await leases.advance({user: [Doubt(connection, clock.now)] for user, connection in users.items()}, set())
    await leases.advance({bob: [Hold(users[bob], clock.now)]}, set())
    await listen(leases, clock, TIMING.grace_ms)
    assert [outcome.user_id for outcome in (await sweep(leases, 10, listening=True))[1]] == [alice]
    held, _, _ = await stored(partitions, bob)
    assert list(held) == [users[bob]]
