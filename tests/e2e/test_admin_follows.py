"""The server API: the platform's own follow graph, and presence that follows it at once."""

import uuid

from shared.protocol.errors import ErrorCode
from tests.support.people import People, Person
from tests.support.platform import Platform


def edge(follower: str, followee: str, *, follows: bool = True) -> dict[str, object]:
    return {"follower": follower, "followee": followee, "follows": follows}


async def known(*persons: Person) -> None:
    """Let the directory know them."""
    for person in persons:
        await person.get("/chat/users/me")


async def test_live_presence_follows_the_graph_at_once(platform: Platform, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    watching, _ = await alice.connect(), await bob.connect()
    both = [edge(alice.id, bob.id), edge(bob.id, alice.id)]
    assert await platform.expect(200, "PUT", "/follows", json=both) == {"applied": 2}
    await watching.expect("user.online", userId=bob.id, isOnline=True)
    friends = (await alice.get("/chat/friends"))["items"]
    assert [(friend["userId"], friend["isOnline"]) for friend in friends] == [(bob.id, True)]
    await platform.expect(200, "PUT", "/follows", json=[edge(alice.id, bob.id, follows=False)])
    assert (await alice.get("/chat/friends"))["items"] == []
    assert (await bob.get("/chat/presence", params={"userId": alice.id}))["items"] == []


async def test_repeating_changes_nothing_and_the_later_of_two_changes_counts(
    platform: Platform, people: People
) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await known(alice, bob)
    changes = [edge(alice.id, bob.id, follows=False), edge(alice.id, bob.id), edge(bob.id, alice.id)]
    for _ in range(2):
        await platform.expect(200, "PUT", "/follows", json=changes)
    assert len((await bob.get("/chat/friends"))["items"]) == 1


async def test_a_block_stays_hidden(platform: Platform, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    watching, blocking = await alice.connect(), await bob.connect()
    await blocking.send("block.add", username=alice.username)
    await blocking.expect("block.added")
    await platform.expect(200, "PUT", "/follows", json=[edge(alice.id, bob.id), edge(bob.id, alice.id)])
    friends = (await alice.get("/chat/friends"))["items"]
    assert [(friend["userId"], friend["isOnline"]) for friend in friends] == [(bob.id, False)]
    assert watching.of_type("user.online") == []


async def test_unknown_users_are_not_found_and_nothing_is_changed(platform: Platform, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await known(alice, bob)
    changes = [edge(alice.id, bob.id), edge(bob.id, alice.id), edge(alice.id, str(uuid.uuid4()))]
    refused = await platform.expect(404, "PUT", "/follows", json=changes)
    assert refused["error"]["code"] == ErrorCode.USER_NOT_FOUND
    assert (await alice.get("/chat/friends"))["items"] == []


async def test_a_thousand_changes_at_once_and_no_more(platform: Platform, people: People) -> None:
    alice = people.make("alice")
    await known(alice)
    users = [alice.id, *[(await platform.make_user("other"))["id"] for _ in range(32)]]
    changes = [edge(one, other) for one in users for other in users if one != other][:1000]
    assert await platform.expect(200, "PUT", "/follows", json=changes) == {"applied": 1000}
    assert len((await alice.get("/chat/friends", params={"limit": 100}))["items"]) > 20
    refused = await platform.expect(422, "PUT", "/follows", json=[*changes, changes[0]])
    assert refused["error"]["code"] == ErrorCode.VALIDATION_ERROR
    await platform.expect(422, "PUT", "/follows", json=[edge(alice.id, alice.id)])
    assert await platform.expect(200, "PUT", "/follows", json=[]) == {"applied": 0}
