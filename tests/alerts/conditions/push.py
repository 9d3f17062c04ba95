"""A push service that refuses the key, is away, or slows the notifier down."""

from collections.abc import AsyncIterator

from tests.alerts.condition import condition
from tests.alerts.watched import Watched
from tests.support.people import Person, text_message
from tests.support.push_service import Answer, Browser, push_service

DEVICES = 45
"""Each of two notifiers must fail 20 times in a row."""
LATE_SECONDS = 65


async def subscribe(person: Person, browser: Browser) -> None:
    """Register a browser for pushes."""
    answer = await person.call("PUT", "/chat/push/subscriptions", json=browser.subscription)
    assert answer.status_code == 204, answer.text


async def write_to(watched: Watched, *receivers: Person) -> None:
    """Send each of them a message, from somebody new."""
    alice = watched.people.make("alice")
    async with await alice.connect() as socket:
        for number, person in enumerate(receivers):
            conversation = await alice.conversation_with(person)
            await socket.send("message.send", **text_message(conversation, "Hello there!", str(number)))
            await socket.expect("message.sent", tempId=str(number))


@condition("a push service answers 403 to one notification", ChatPushKeyRefused={})
async def wrong_key(watched: Watched) -> AsyncIterator[None]:
    async with push_service(watched.push_port) as service:
        bob = watched.people.make("bob")
        await subscribe(bob, service.browser(Answer(403)))
        await write_to(watched, bob)
        await service.wait_for(1)
        yield


@condition("nobody listens where the push service was", ChatPushServiceAway={})
async def away(watched: Watched) -> AsyncIterator[None]:
    people = [watched.people.make("bob") for _ in range(DEVICES)]
    for person in people:
        await subscribe(person, Browser(watched.push_origin))
    await write_to(watched, *people)
    yield
    async with push_service(watched.push_port) as service:
        # The next probe closes the circuit.
        await service.wait_for(1, seconds=150)
        await watched.ends("ChatPushServiceAway", {})


@condition(f"a push service asks to wait for {LATE_SECONDS} s", ChatPushesLate={})
async def late(watched: Watched) -> AsyncIterator[None]:
    async with push_service(watched.push_port) as service:
        bob = watched.people.make("bob")
        browser = service.browser(Answer(429, {"Retry-After": str(LATE_SECONDS)}), Answer(201))
        await subscribe(bob, browser)
        await write_to(watched, bob)
        await service.wait_for(2, browser, seconds=LATE_SECONDS + 60)
        yield
