"""Reports: users make them, and the platform reads and resolves them."""

import uuid

import pytest

from shared.protocol.errors import ErrorCode
from tests.e2e.conftest import Pair
from tests.support.people import People, text_message
from tests.support.platform import Platform


async def test_reported_messages_are_kept_as_they_were(platform: Platform, pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "Something bad", "t-1"))
    await alice.expect("message.sent")
    body = {"conversationId": pair.conversation, "seqs": [1], "reason": "abuse", "comment": "Look at this"}
    made = await pair.bob.call("POST", "/chat/reports", json=body)
    assert made.status_code == 201, made.text
    await alice.send("message.delete", conversationId=pair.conversation, seq=1)
    await alice.expect("message.deleted")
    reports = (await platform.expect(200, "GET", "/reports", params={"state": "open", "limit": 100}))["items"]
    (report,) = [each for each in reports if each["id"] == made.json()["id"]]
    assert (report["reporterId"], report["reason"], report["comment"]) == (pair.bob.id, "abuse", "Look at this")
    assert [message["content"] for message in report["messages"]] == ["Something bad"]
    for state in ("reviewing", "resolved", "dismissed", "open"):
        changed = await platform.expect(200, "PATCH", f"/reports/{report['id']}", json={"state": state})
        assert changed["state"] == state
    await platform.expect(422, "PATCH", f"/reports/{report['id']}", json={"state": "forgotten"})
    missing = await platform.expect(404, "PATCH", f"/reports/{uuid.uuid4()}", json={"state": "open"})
    assert missing["error"]["code"] == ErrorCode.NOT_FOUND


async def test_pages_of_reports(platform: Platform, pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "Bad", "t-1"))
    await alice.expect("message.sent")
    made = []
    for number in range(3):
        body = {"conversationId": pair.conversation, "seqs": [1], "reason": f"{number}"}
        made.append((await pair.bob.call("POST", "/chat/reports", json=body)).json()["id"])
    found: list[str] = []
    page: dict[str, str] = {}
    while True:
        answer = await platform.expect(200, "GET", "/reports", params={"limit": 2, **page})
        found += [each["id"] for each in answer["items"]]
        if answer["nextPage"] is None:
            break
        page = {"page": answer["nextPage"]}
    assert len(found) == len(set(found))
    assert [each for each in found if each in made] == made[::-1]


@pytest.mark.parametrize("seqs", [[], [0], [2], list(range(1, 102))])
async def test_reports_that_cannot_be(pair: Pair, people: People, seqs: list[int]) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "x", "t-1"))
    await alice.expect("message.sent")
    body = {"conversationId": pair.conversation, "seqs": seqs, "reason": "spam"}
    refused = await pair.bob.call("POST", "/chat/reports", json=body)
    assert refused.status_code == (404 if seqs == [2] else 422), refused.text
    stranger = people.make("stranger")
    body = {"conversationId": pair.conversation, "seqs": [1], "reason": "spam"}
    assert (await stranger.call("POST", "/chat/reports", json=body)).status_code == 404
