"""Signed URLs: for one object, one use and one time, by any key that is still accepted."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.protocol import limits
from shared.protocol.payloads import has_uploads
from shared.uploads.signing import UploadSigner

NAME = "0190a1b2-0000-7000-8000-00000000e001/file"
NOW = 1_700_000_000.0
OLD, NEW = b"o" * 32, b"n" * 32


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def signer(clock: Clock, *keys: bytes) -> UploadSigner:
    return UploadSigner("https://chat.example/", keys, clock)


def signed(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query)
    return query["expires"][0], query["signature"][0]


def test_a_url_holds_for_seven_days_and_no_longer(clock: Clock) -> None:
    one = signer(clock, NEW)
    expires, signature = signed(one.read_url(NAME))
    assert 0 <= int(expires) - NOW - limits.UPLOAD_URL_SECONDS <= 3600
    assert one.accepts("GET", NAME, expires, signature)
    clock.now = float(expires)
    assert one.accepts("GET", NAME, expires, signature)
    clock.now += 1
    assert not one.accepts("GET", NAME, expires, signature)


def test_urls_of_one_hour_are_equal_so_that_they_are_cached_once(clock: Clock) -> None:
    one = signer(clock, NEW)
    first = one.read_url(NAME)
    clock.now += 1
    assert one.read_url(NAME) == first
    clock.now += 3600
    assert one.read_url(NAME) != first


def test_nothing_of_it_can_be_changed(clock: Clock) -> None:
    one = signer(clock, NEW)
    expires, signature = signed(one.read_url(NAME))
    assert not one.accepts("PUT", NAME, expires, signature)
    assert not one.accepts("GET", NAME.replace("file", "thumbnail"), expires, signature)
    assert not one.accepts("GET", NAME, str(int(expires) + 1), signature)
    assert not one.accepts("GET", NAME, expires, signature[:-1])
    for nonsense in ("", "-1", "1e9", "٣", "9" * 40):
        assert not one.accepts("GET", NAME, nonsense, signature)
    assert not one.accepts("GET", NAME, expires, "ü")


def test_keys_rotate(clock: Clock) -> None:
    before, between, after = signer(clock, OLD), signer(clock, NEW, OLD), signer(clock, NEW)
    old, new = signed(before.read_url(NAME)), signed(between.read_url(NAME))
    assert between.accepts("GET", NAME, *old)
    assert between.accepts("GET", NAME, *new)
    assert after.accepts("GET", NAME, *new)
    assert not after.accepts("GET", NAME, *old)
    assert not before.accepts("GET", NAME, *new)


def test_only_uploads_among_attachments_are_signed(clock: Clock) -> None:
    external = {"type": "image", "url": "https://cdn.example/1.jpg", "name": '"uploadId":'}
    stored = {"type": "file", "url": NAME, "size": 3, "name": "a", "uploadId": NAME.partition("/")[0]}
    plain = json.dumps([external])
    assert not has_uploads(plain)
    assert not has_uploads(None)
    assert signer(clock, NEW).sign_media(plain) == plain
    first, second = json.loads(signer(clock, NEW).sign_media(json.dumps([external, stored])))
    assert first == external
    assert second["url"].startswith(f"https://chat.example/chat/media/{NAME}?expires=")
    assert {**second, "url": NAME} == stored
