"""services.gateway.session.rules: a frame in, what is to be done out; no event loop."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.rate_limit import Rate, RateLimit
from services.gateway.session.actions import Action, Close, PauseReading, Pong, RefreshToken, Reply, SetActive
from services.gateway.session.rules import MAX_REFUSALS, REFUSED_BYTES, Session
from shared.media_hosts import MediaHosts
from shared.protocol import client, limits, relay
from shared.protocol.closing import CloseCode

USER = "11111111-1111-4111-8111-111111111111"
CONNECTION = "22222222-2222-4222-8222-222222222222"
CONVERSATION = "33333333-3333-4333-8333-333333333333"

NOW_MS = 1704067200500


def session(per_second: float = 0, allowed: list[str] | None = None) -> Session:
    return Session(USER, CONNECTION, RateLimit(Rate(per_second)), MediaHosts(allowed or []), lambda: 1704067200.5)


def frame(event_type: str, **payload: Any) -> bytes:
    return json.dumps({"type": event_type, "payload": payload}).encode()


def send(**changes: Any) -> bytes:
    payload = {"conversationId": CONVERSATION, "type": "text", "content": "hi", **changes}
    return frame("message.send", **{name: value for name, value in payload.items() if value is not ...})


def only(actions: tuple[Action, ...]) -> Any:
    assert len(actions) == 1
    return actions[0]


def error_of(actions: tuple[Action, ...]) -> Any:
    reply = actions[0]
    assert isinstance(reply, Reply)
    event = json.loads(reply.text)
    assert event["type"] == "error"
    return event


@pytest.mark.parametrize(
    ("data", "action"),
    [
        (send(tempId="t"), relay.SendMessage(USER, CONNECTION, CONVERSATION, "text", "hi", None, "t")),
        (
            frame("message.read", conversationId=CONVERSATION),
            relay.MarkRead(USER, CONNECTION, CONVERSATION, None, NOW_MS),
        ),
        (frame("message.read", conversationId=CONVERSATION, seq=7), relay.MarkRead(USER, CONNECTION, CONVERSATION, 7)),
        (
            frame("message.delivered", conversationId=CONVERSATION, seq=7),
            relay.MarkDelivered(USER, CONNECTION, CONVERSATION, 7),
        ),
        (frame("block.add", username="eve"), relay.SetBlock(USER, CONNECTION, "eve", True, NOW_MS)),
        (frame("block.remove", username="eve"), relay.SetBlock(USER, CONNECTION, "eve", False, NOW_MS)),
        (frame("typing.start", conversationId=CONVERSATION), relay.Typing(USER, CONVERSATION, True, 0, CONNECTION)),
        (frame("typing.stop", conversationId=CONVERSATION), relay.Typing(USER, CONVERSATION, False, 0, CONNECTION)),
        (frame("presence.set", status="away"), relay.SetStatus(USER, CONNECTION, "away", NOW_MS)),
        (
            send(replyTo=3, metadata={"a": 1}, type="custom", content=...),
            relay.SendMessage(USER, CONNECTION, CONVERSATION, "custom", None, None, None, 3, '{"a":1}'),
        ),
        (
            frame("message.edit", conversationId=CONVERSATION, seq=7, content="new", tempId="e"),
            relay.EditMessage(USER, CONNECTION, CONVERSATION, 7, "new", "e"),
        ),
        (
            frame("message.delete", conversationId=CONVERSATION, seq=7, tempId="d"),
            relay.DeleteMessage(USER, CONNECTION, CONVERSATION, 7, "d"),
        ),
        (
            frame("reaction.add", conversationId=CONVERSATION, seq=7, emoji="👍"),
            relay.SetReaction(USER, CONNECTION, CONVERSATION, 7, "👍", True, None, NOW_MS),
        ),
        (
            frame("reaction.remove", conversationId=CONVERSATION, seq=7, emoji="👍"),
            relay.SetReaction(USER, CONNECTION, CONVERSATION, 7, "👍", False, None, NOW_MS),
        ),
        (frame("auth.refresh", token="abc"), RefreshToken("abc")),
        (
            frame("ping", timestamp=12),
            Pong(b'{"type":"pong","payload":{"timestamp":1704067200,"echo":12}}'),
        ),
    ],
)
def test_each_frame_becomes_one_action(data: bytes, action: Action) -> None:
    assert only(session().on_frame(data, 0.0)) == action


def test_every_frame_of_the_contract_has_a_rule() -> None:
    from services.gateway.session.rules import _RULES

    assert set(_RULES) == set(client.FRAMES.values())


def test_media_goes_up_as_json_text() -> None:
    media = [{"url": "https://cdn.example/1.jpg", "type": "image", "width": 5}]
    action = only(session().on_frame(send(type="image", content=None, media=media), 0.0))
    assert json.loads(action.media) == media
    assert action.content is None


def test_a_refused_url_is_named() -> None:
    good = {"url": "https://a.example/", "type": "image"}
    bad = {"url": "https://a.example/", "thumbnail": "http://a.example/", "type": "image"}
    event = error_of(session().on_frame(send(media=[good, bad], tempId="t"), 0.0))
    assert "media[1].thumbnail" in event["error"]["message"]
    assert event["ref"] == {"type": "message.send", "tempId": "t", "conversationId": CONVERSATION}


@pytest.mark.parametrize(
    ("data", "code", "ref"),
    [
        (b"nonsense", "validation_error", None),
        (b"[]", "validation_error", None),
        (b"{}", "validation_error", None),
        (b'{"type":5}', "validation_error", None),
        (b'{"type":"no.such"}', "unknown_event", {"type": "no.such"}),
        (b'{"type":"message.sent","payload":{}}', "unknown_event", {"type": "message.sent"}),
        (b'{"type":"message.send"}', "validation_error", {"type": "message.send"}),
        (b'{"type":"message.send","payload":[]}', "validation_error", {"type": "message.send"}),
        (
            send(content="  ", tempId="t9"),
            "validation_error",
            {"type": "message.send", "tempId": "t9", "conversationId": CONVERSATION},
        ),
        (send(content="a\0b"), "validation_error", {"type": "message.send", "conversationId": CONVERSATION}),
        (send(tempId="x" * 65), "validation_error", {"type": "message.send", "conversationId": CONVERSATION}),
        (send(tempId=5), "validation_error", {"type": "message.send", "conversationId": CONVERSATION}),
        (b'{"type":"ping","payload":' + b"[" * 100_000, "validation_error", None),
        (b'{"type":"ping","payload":{"timestamp":NaN}}', "validation_error", {"type": "ping"}),
        (rb'{"type":"ping","payload":{"timestamp":"\ud800"}}', "validation_error", {"type": "ping"}),
        (frame("message.delivered", conversationId=CONVERSATION, seq=2**64), "validation_error", ...),
        (frame("message.delivered", conversationId=CONVERSATION, seq=True), "validation_error", ...),
        (frame("message.delivered", conversationId=CONVERSATION, seq=1.5), "validation_error", ...),
        (frame("message.read", conversationId="not-a-uuid"), "validation_error", ...),
    ],
)
def test_what_can_not_be_understood_is_answered(data: bytes, code: str, ref: Any) -> None:
    event = error_of(session().on_frame(data, 0.0))
    assert event["error"]["code"] == code
    assert event["error"]["retryable"] is False
    if ref is not ...:
        assert event.get("ref") == ref


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (frame("message.read", conversationId="abc"), "conversationId"),
        (frame("message.read", conversationId=CONVERSATION + "0"), "conversationId"),
        (frame("typing.start", conversationId=CONVERSATION.replace("-", "0")), "conversationId"),
        (frame("block.add", userId="abc"), "userId"),
        (send(media=[{"uploadId": "abc"}]), "uploadId"),
    ],
)
def test_what_is_no_id_is_called_so(data: bytes, field: str) -> None:
    message = error_of(session().on_frame(data, 0.0))["error"]["message"]
    assert f"{field} must be a UUID" in message
    assert "length" not in message


@pytest.mark.parametrize("value", [r'"a\ud800"', r'"\udc00\ud800"', "1e999", "NaN", "9" * 400 + ".5"])
def test_what_no_reader_can_hold_is_refused_with_its_reference(value: str) -> None:
    data = send(content=..., tempId="t").replace(b'"tempId"', b'"content":' + value.encode() + b',"tempId"')
    event = error_of(session().on_frame(data, 0.0))
    assert event["error"]["code"] == "validation_error"
    assert event["ref"] == {"type": "message.send", "tempId": "t", "conversationId": CONVERSATION}


def test_a_reference_holds_no_lone_surrogate() -> None:
    data = send().replace(b'"hi"', rb'"hi","tempId":"\ud800"')
    assert error_of(session().on_frame(data, 0.0))["ref"] == {"type": "message.send", "conversationId": CONVERSATION}


def test_ids_in_upper_case_are_the_same_ids() -> None:
    upper = "ABCDEF33-3333-4333-8333-333333333333"
    for data in (
        send(conversationId=upper),
        frame("message.read", conversationId=upper),
        frame("message.delivered", conversationId=upper, seq=1),
        frame("typing.start", conversationId=upper),
        frame("typing.stop", conversationId=upper),
    ):
        assert only(session().on_frame(data, 0.0)).conversation_id == upper.lower()


def test_unknown_fields_are_ignored() -> None:
    assert isinstance(only(session().on_frame(send(extra={"deep": [1]}), 0.0)), relay.SendMessage)


def test_binary_frames_are_no_part_of_the_contract() -> None:
    assert error_of(session().on_binary(0.0))["error"]["code"] == "validation_error"


def test_twenty_bad_frames_in_a_row_close() -> None:
    held = session()
    for _ in range(limits.MAX_BAD_FRAMES_IN_A_ROW - 1):
        assert len(held.on_frame(b"nonsense", 0.0)) == 1
    assert held.on_frame(b'{"type":"no.such"}', 0.0)[1] == Close(CloseCode.POLICY_VIOLATION)


INVALID = [
    frame("message.send", conversationId="no"),
    send(media=[{"url": "http://a.example/", "type": "image"}]),
    send(content="\u200b"),
    rb'{"type":"ping","payload":{"timestamp":"\ud800"}}',
]


@pytest.mark.parametrize("invalid", INVALID)
def test_a_known_type_with_a_wrong_payload_never_closes(invalid: bytes) -> None:
    held = session()
    for _ in range(3 * limits.MAX_BAD_FRAMES_IN_A_ROW):
        assert error_of(held.on_frame(invalid, 0.0))["error"]["code"] == "validation_error"
        assert len(held.on_frame(invalid, 0.0)) == 1


@pytest.mark.parametrize("known", [frame("ping"), *INVALID])
def test_a_frame_of_a_known_type_ends_the_row(known: bytes) -> None:
    held = session()
    for _ in range(3):
        for _ in range(limits.MAX_BAD_FRAMES_IN_A_ROW - 1):
            assert len(held.on_frame(b"nonsense", 0.0)) == 1
        held.on_frame(known, 0.0)


@pytest.mark.parametrize("content", ["\u3164", "\u2800\u200d", "\u00ad", " \U000e0041\n"])
def test_text_without_a_visible_character_is_empty(content: str) -> None:
    event = error_of(session().on_frame(send(content=content, tempId="t"), 0.0))
    assert event["error"]["code"] == "validation_error"
    assert event["ref"]["tempId"] == "t"


def test_a_message_beyond_the_stored_size_is_refused_with_both_numbers() -> None:
    name, url = "n" * 255, "https://a.example/" + "é" * 1_700
    media = [{"url": url, "type": "image", "name": name} for _ in range(10)]
    event = error_of(session().on_frame(send(media=media, tempId="t"), 0.0))
    assert event["error"]["code"] == "validation_error"
    stored = len(json.dumps({"content": "hi", "media": media}, ensure_ascii=False, separators=(",", ":")).encode())
    assert str(stored) in event["error"]["message"]
    assert str(limits.MAX_STORED_EVENT_BYTES) in event["error"]["message"]
    assert event["ref"]["tempId"] == "t"


def test_other_events_share_a_rate_and_sends_do_not_count() -> None:
    held = session(per_second=20)
    for _ in range(100):
        assert isinstance(only(held.on_frame(send(), 50.0)), relay.SendMessage)
    for _ in range(60):
        assert isinstance(only(held.on_frame(frame("typing.start", conversationId=CONVERSATION), 50.0)), relay.Typing)
    event = error_of(held.on_frame(frame("message.read", conversationId=CONVERSATION), 50.0))
    assert event["error"]["code"] == "rate_limit_exceeded"
    assert event["error"]["retryable"] is True
    assert 0 < event["error"]["retryAfter"] <= 0.05
    assert event["ref"] == {"type": "message.read", "conversationId": CONVERSATION}
    assert isinstance(only(held.on_frame(frame("message.read", conversationId=CONVERSATION), 50.05)), relay.MarkRead)


def test_who_goes_on_sending_too_much_is_not_read_for_a_while() -> None:
    held = session(per_second=20)
    held.refuse_sends(60.0, 100.0)
    ping = frame("ping")
    for number in range(60 + MAX_REFUSALS):
        assert len(held.on_frame(send() if number % 2 and number > 120 else ping, 100.0)) == 1
    for data in (send(), ping, b"nonsense"):
        assert held.on_frame(data, 100.0)[1] == PauseReading()
    assert len(held.on_frame(send(), 101.0)) == 1


def test_large_frames_that_are_refused_end_the_reading_sooner() -> None:
    """In a second no more than 100 KB of them are taken apart."""
    held = session()
    held.refuse_sends(60.0, 100.0)
    large = send(
        content="x" * limits.MAX_CONTENT_CHARACTERS,
        media=[{"url": "https://media.example/" + "x" * 2_000, "type": "image"}] * 10,
    )
    most = MAX_REFUSALS * REFUSED_BYTES // len(large)
    answers = [held.on_frame(large, 100.0) for _ in range(most + 1)]
    assert PauseReading() not in answers[most // 2]
    assert answers[-1][1:] == (PauseReading(),)
    assert len(held.on_frame(large, 101.0)) == 1


def test_a_message_that_is_refused_anyway_is_not_checked() -> None:
    held = session()
    too_large = send(type="custom", metadata={"a": "x" * limits.MAX_METADATA_BYTES})
    assert error_of(held.on_frame(too_large, 100.0))["error"]["code"] == "validation_error"
    held.refuse_sends(60.0, 100.0)
    held_media = send(content="x", media=[{"url": "https://media.example/" + "🙂" * 2_000, "type": "image"}] * 10)
    assert error_of(held.on_frame(held_media, 101.0))["error"]["code"] == "rate_limit_exceeded"


def test_sends_are_refused_locally_until_the_allowance_is_back() -> None:
    held = session()
    held.refuse_sends(2.0, 100.0)
    event = error_of(held.on_frame(send(tempId="t"), 101.5))
    assert event["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Too many messages",
        "retryable": True,
        "retryAfter": 0.5,
    }
    assert isinstance(only(held.on_frame(send(), 102.0)), relay.SendMessage)


@pytest.mark.parametrize("moment", [101.99999, 101.9996])
def test_the_wait_is_never_told_as_nothing(moment: float) -> None:
    held = session()
    held.refuse_sends(2.0, 100.0)
    wait = error_of(held.on_frame(send(), moment))["error"]["retryAfter"]
    assert wait > 0
    assert isinstance(only(held.on_frame(send(), moment + wait)), relay.SendMessage)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    ["conversationId", "type", "content", "media", "tempId", "seq", "status", "token", "username", "timestamp", "url"]
)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    actions = session(20).on_frame(data, 0.0)
    assert actions
    assert all(isinstance(action, Reply | Close) for action in actions)


@given(st.sampled_from([*client.FRAMES, "no.such"]), st.dictionaries(FIELDS, JSON_VALUES, max_size=5) | JSON_VALUES)
def test_no_json_raises_and_errors_are_of_the_contract(event_type: str, payload: Any) -> None:
    data = json.dumps({"type": event_type, "payload": payload}).encode()
    for action in session(20).on_frame(data, 0.0):
        if isinstance(action, Reply):
            assert msgspec.json.decode(action.text)["type"] in {"error", "pong"}


def test_an_inactive_client_says_so_with_each_receipt() -> None:
    one = session()
    assert only(one.on_frame(frame("client.state", active=False), 0)) == SetActive(False)
    delivered = frame("message.delivered", conversationId=CONVERSATION, seq=7)
    assert only(one.on_frame(delivered, 0)) == relay.MarkDelivered(USER, CONNECTION, CONVERSATION, 7, active=False)
    assert only(one.on_frame(frame("client.state", active=True), 0)) == SetActive(True)
    assert only(one.on_frame(delivered, 0)) == relay.MarkDelivered(USER, CONNECTION, CONVERSATION, 7)


def test_a_state_that_doesn_t_change_costs_nothing() -> None:
    one = session()
    assert one.on_frame(frame("client.state", active=True), 0) == ()
    one.on_frame(frame("client.state", active=False), 0)
    assert one.on_frame(frame("client.state", active=False), 0) == ()


@pytest.mark.parametrize("payload", [{}, {"active": None}, {"active": "no"}, {"active": 0}])
def test_a_state_is_true_or_false(payload: Any) -> None:
    assert error_of(session().on_frame(frame("client.state", **payload), 0))["error"]["code"] == "validation_error"
