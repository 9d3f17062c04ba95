"""Uploads, each call through the load balancer as a client makes it (docs/protocol.md, «Uploads»)."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from chat_client import ChatClient
from PIL import Image, ImageStat

from tests.e2e.conftest import Pair
from tests.support.messaging import eventually
from tests.support.people import People, Person
from tests.support.stack import Stack
from tests.support.uploads import File, complete, fetch, opened, picture, put, reserve, send_bytes, try_upload, upload

PICTURE = File(picture())
GPS = 0x8825
ORIENTATION = 0x0112


def error_of(response: object) -> tuple[int, str]:
    """(status, code) of a refusal."""
    status, body = response.status_code, response.json()  # type: ignore[attr-defined]
    assert body["type"] == "error"
    return status, body["error"]["code"]


async def test_a_reservation_says_where_to_put_the_bytes(pair: Pair) -> None:
    answer = await reserve(pair.alice, pair.conversation, PICTURE)
    assert answer.status_code == 201
    assert answer.json().keys() == {"uploadId", "method", "url", "headers", "expiresAt"}
    assert uuid.UUID(answer.json()["uploadId"]).version == 7


def mean_red(image: Image.Image, box: tuple[int, int, int, int]) -> float:
    """How red a part of a picture is, 0 to 255: the rest of it is noise."""
    return float(ImageStat.Stat(image.convert("RGB").crop(box)).mean[0])


async def test_a_picture_is_turned_upright_and_loses_what_its_camera_wrote(pair: Pair) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn clockwise makes it upright
    exif[GPS] = {1: "N", 2: (47.0, 22.0, 11.0)}
    media = await upload(pair.alice, pair.conversation, File(picture(300, 200, exif=exif)))
    assert {"uploadId", "url", "thumbnail", "blurhash"} <= media.keys()
    assert (media["type"], media["mimeType"], media["name"]) == ("image", "image/jpeg", "beach.jpg")
    assert (media["width"], media["height"]) == (200, 300)
    served = await fetch(media["url"])
    assert (served.status_code, len(served.content)) == (200, media["size"])
    image = opened(served.content)
    assert image.size == (200, 300)
    assert not image.getexif()
    assert b"Exif" not in served.content
    top, bottom = mean_red(image, (0, 0, 200, 150)), mean_red(image, (0, 150, 200, 300))
    assert top > 180 > bottom  # the red half was left, and is above now
    thumbnail = opened((await fetch(media["thumbnail"])).content)
    assert thumbnail.size == (200, 300)


async def test_a_thumbnail_has_640_pixels_at_most(pair: Pair) -> None:
    media = await upload(pair.alice, pair.conversation, File(picture(1600, 900, "PNG"), "x.png", "image/png"))
    served = await fetch(media["thumbnail"])
    assert served.headers["content-type"] == "image/webp"
    assert opened(served.content).size == (640, 360)


async def test_bytes_are_served_in_ranges_and_cached_by_their_tag(pair: Pair) -> None:
    media = await upload(
        pair.alice, pair.conversation, File(bytes(range(256)) * 40, "a.bin", "application/octet-stream")
    )
    whole = await fetch(media["url"])
    assert whole.headers["accept-ranges"] == "bytes"
    part = await fetch(media["url"], range="bytes=100-199")
    assert (part.status_code, part.headers["content-range"]) == (206, "bytes 100-199/10240")
    assert part.content == whole.content[100:200]
    last = await fetch(media["url"], range="bytes=-10", if_range=whole.headers["etag"])
    assert (last.status_code, last.content) == (206, whole.content[-10:])
    other = await fetch(media["url"], range="bytes=-10", if_range='"another"')
    assert (other.status_code, len(other.content)) == (200, 10240)
    assert (await fetch(media["url"], range="bytes=20000-")).status_code == 416
    assert (await fetch(media["url"], if_none_match=whole.headers["etag"])).status_code == 304
    head = await fetch(media["url"], "HEAD")
    assert (head.headers["content-length"], head.content) == ("10240", b"")


async def test_a_hostile_file_can_do_nothing_in_a_browser(pair: Pair) -> None:
    note = File(b"only text", "заметка \U0001f60a\u202etxt.exe", "text/plain")
    media = await upload(pair.alice, pair.conversation, note)
    headers = (await fetch(media["url"])).headers
    assert media["name"] == "заметка \U0001f60atxt.exe"
    assert headers["content-disposition"].startswith("attachment; filename=")
    assert "filename*=UTF-8''%D0%B7" in headers["content-disposition"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"].startswith("private")


async def test_a_url_is_good_for_its_own_object_and_use_alone(pair: Pair) -> None:
    one = await upload(pair.alice, pair.conversation, PICTURE)
    reserved = (await reserve(pair.alice, pair.conversation, PICTURE)).json()
    bare, _, query = one["url"].partition("?")
    for forged in (
        bare,
        one["url"][:-3],
        f"{one['thumbnail'].partition('?')[0]}?{query}",
        f"{reserved['url'].partition('?')[0]}?{query}",
        reserved["url"],
        one["url"].replace("expires=1", "expires=2"),
    ):
        assert (await fetch(forged)).status_code == 403
    assert (await put({**reserved, "url": one["url"]}, PICTURE.data)).status_code == 403


async def test_completing_again_answers_the_same(pair: Pair) -> None:
    reservation = await send_bytes(pair.alice, pair.conversation, PICTURE)
    first, second = [(await complete(pair.alice, reservation)).json()["media"] for _ in range(2)]
    assert first == second
    late = await put(reservation, PICTURE.data)
    assert late.status_code == 409
    assert (await pair.alice.get(f"/chat/uploads/{reservation['uploadId']}"))["media"] == first


async def test_bytes_that_are_missing_are_awaited(pair: Pair) -> None:
    reservation = (await reserve(pair.alice, pair.conversation, PICTURE)).json()
    answer = await complete(pair.alice, reservation)
    assert error_of(answer) == (409, "upload_not_ready")
    assert answer.json()["error"]["retryable"] is True
    assert (await put(reservation, PICTURE.data)).is_success
    assert (await complete(pair.alice, reservation)).status_code == 200


@pytest.mark.parametrize(("data", "status"), [(PICTURE.data + b"x", 413), (PICTURE.data[:-1], 422), (b"", 422)])
async def test_a_wrong_size_leaves_nothing_behind(pair: Pair, data: bytes, status: int) -> None:
    reservation = (await reserve(pair.alice, pair.conversation, PICTURE)).json()
    assert (await put(reservation, data)).status_code == status
    assert error_of(await complete(pair.alice, reservation)) == (409, "upload_not_ready")
    assert (await put(reservation, PICTURE.data)).is_success
    assert (await complete(pair.alice, reservation)).status_code == 200


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (File(b"<html><script>alert(1)</script>", "a.png", "image/png"), "text/html"),
        (File(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.txt", "text/plain"), "text/html"),
        (File(picture(), "a.mp4", "video/mp4"), "image/jpeg"),
        (File(picture()[:5000], "a.jpg", "image/jpeg"), "damaged"),
        (File(b"MZ\x90\x00" * 50, "setup.bin", "application/octet-stream"), "not accepted"),
    ],
)
async def test_what_is_not_what_it_says_is_refused_and_deleted(pair: Pair, file: File, reason: str) -> None:
    reservation = await send_bytes(pair.alice, pair.conversation, file)
    for _ in range(2):
        answer = await complete(pair.alice, reservation)
        assert error_of(answer) == (422, "validation_error")
        assert reason in answer.json()["error"]["message"]
    assert error_of(await pair.alice.call("GET", f"/chat/uploads/{reservation['uploadId']}")) == (
        404,
        "upload_not_found",
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"size": 0}, 422),
        ({"size": 25 * 1024 * 1024 + 1}, 413),
        ({"mimeType": "image/svg+xml"}, 422),
        ({"mimeType": "text/html"}, 422),
        ({"name": ""}, 422),
        ({"name": "x" * 256}, 422),
        ({"conversationId": "nonsense"}, 422),
    ],
)
async def test_a_reservation_that_can_t_be_kept_is_refused(pair: Pair, changes: dict[str, object], status: int) -> None:
    answer = await reserve(pair.alice, pair.conversation, PICTURE, **changes)
    assert error_of(answer) == (status, "validation_error")


async def test_nobody_uploads_into_the_conversations_of_others(pair: Pair, people: People) -> None:
    stranger = people.make("stranger")
    for conversation in (pair.conversation, str(uuid.uuid4())):
        answer = await reserve(stranger, conversation, PICTURE)
        assert error_of(answer) == (404, "conversation_not_found")


async def test_an_upload_is_its_user_s_alone_until_it_is_sent(pair: Pair, people: People) -> None:
    reservation = await send_bytes(pair.alice, pair.conversation, PICTURE)
    assert error_of(await complete(pair.bob, reservation)) == (404, "upload_not_found")
    assert (await complete(pair.alice, reservation)).status_code == 200
    for person in (pair.bob, people.make("stranger")):
        answer = await person.call("GET", f"/chat/uploads/{reservation['uploadId']}")
        assert error_of(answer) == (404, "upload_not_found")


async def test_the_sixty_first_upload_of_an_hour_has_to_wait(pair: Pair) -> None:
    small = File(b"x", "x.txt", "text/plain")
    for _ in range(60):
        assert (await reserve(pair.alice, pair.conversation, small)).status_code == 201
    answer = await reserve(pair.alice, pair.conversation, small)
    assert error_of(answer) == (429, "rate_limit_exceeded")
    assert 3000 < int(answer.headers["retry-after"]) <= 3600
    assert (await reserve(pair.bob, pair.conversation, small)).status_code == 201


async def test_a_day_has_500_mib(pair: Pair) -> None:
    for _ in range(20):
        assert (await reserve(pair.alice, pair.conversation, PICTURE, size=25 * 1024 * 1024)).status_code == 201
    answer = await reserve(pair.alice, pair.conversation, PICTURE, size=1)
    assert error_of(answer) == (429, "rate_limit_exceeded")
    assert 86_000 < int(answer.headers["retry-after"]) <= 86_400


async def test_any_file_that_is_taken_comes_back_as_it_was(pair: Pair) -> None:
    note = File("Grüße".encode(), "gruss.txt", "text/plain")
    answer = await try_upload(pair.alice, pair.conversation, note)
    media = answer.json()["media"]
    assert media.keys() == {"uploadId", "url", "type", "mimeType", "size", "name"}
    served = await fetch(media["url"])
    assert served.content == note.data
    assert served.headers["content-type"] == "text/plain; charset=utf-8"


def with_uploads(conversation: str, temp_id: str, *media: dict[str, Any], kind: str = "image") -> dict[str, Any]:
    """The payload of a `message.send` with attachments."""
    return {"conversationId": conversation, "type": kind, "media": list(media), "tempId": temp_id}


async def test_a_message_brings_an_upload_to_both_and_into_the_history(pair: Pair) -> None:
    upload_id = (await upload(pair.alice, pair.conversation, PICTURE))["uploadId"]
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("message.send", **with_uploads(pair.conversation, "1", {"uploadId": upload_id}))
    sent = (await alice.expect("message.sent"))["payload"]["message"]
    new = (await bob.expect("message.new"))["payload"]["message"]
    page = await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages")
    shown = await pair.bob.get(f"/chat/uploads/{upload_id}")
    for [media] in (sent["media"], new["media"], page["items"][0]["media"], [shown["media"]]):
        assert media["uploadId"] == upload_id
        assert (media["type"], media["mimeType"], media["name"]) == ("image", "image/jpeg", "beach.jpg")
        for url in (media["url"], media["thumbnail"]):
            assert (await fetch(url)).status_code == 200
    listed = await pair.bob.get("/chat/conversations")
    assert listed["items"][0]["lastMessage"]["media"][0]["uploadId"] == upload_id


async def test_a_repeated_send_gets_the_original(pair: Pair) -> None:
    media = await upload(pair.alice, pair.conversation, PICTURE)
    socket = await pair.alice.connect()
    for _ in range(2):
        await socket.send("message.send", **with_uploads(pair.conversation, "1", media))
        message = (await socket.expect("message.sent"))["payload"]["message"]
        assert (message["seq"], message["media"][0]["uploadId"]) == (1, media["uploadId"])
    await socket.send("message.send", **with_uploads(pair.conversation, "2", {"uploadId": media["uploadId"]}))
    error = await socket.expect_event({"type": "error"})
    assert error["error"]["code"] == "upload_not_found"
    assert error["error"]["retryable"] is False
    assert error["ref"] == {"type": "message.send", "tempId": "2", "conversationId": pair.conversation}


async def test_an_upload_that_is_not_complete_can_t_be_sent_yet(pair: Pair) -> None:
    reservation = await send_bytes(pair.alice, pair.conversation, PICTURE)
    socket = await pair.alice.connect()
    payload = with_uploads(pair.conversation, "1", {"uploadId": reservation["uploadId"]})
    await socket.send("message.send", **payload)
    error = await socket.expect_event({"type": "error"})
    assert (error["error"]["code"], error["error"]["retryable"]) == ("upload_not_ready", True)
    await complete(pair.alice, reservation)
    await socket.send("message.send", **payload)
    assert (await socket.expect("message.sent"))["payload"]["message"]["seq"] == 1


async def test_uploads_and_urls_of_others_stand_side_by_side(pair: Pair) -> None:
    media = await upload(pair.alice, pair.conversation, File(b"text", "a.txt", "text/plain"))
    external = {"url": "https://cdn.example/1.jpg", "type": "image", "width": 10}
    socket = await pair.alice.connect()
    payload = with_uploads(pair.conversation, "1", external, {"uploadId": media["uploadId"].upper()}, kind="file")
    await socket.send("message.send", **payload)
    first, second = (await socket.expect("message.sent"))["payload"]["message"]["media"]
    assert first == external
    assert second["uploadId"] == media["uploadId"]


@pytest.mark.parametrize(
    "media", [[{}], [{"uploadId": "nonsense"}], [{"type": "image"}], [{"uploadId": str(uuid.UUID(int=1))}] * 2]
)
async def test_an_attachment_that_makes_no_sense_is_refused(pair: Pair, media: list[dict[str, Any]]) -> None:
    socket = await pair.alice.connect()
    await socket.send("message.send", **with_uploads(pair.conversation, "1", *media))
    assert (await socket.expect_event({"type": "error"}))["error"]["code"] == "validation_error"


async def test_the_deployment_says_that_it_takes_uploads(pair: Pair) -> None:
    socket = await pair.alice.connect(greet=False)
    assert "upload" in (await socket.expect("connection.success"))["payload"]["features"]


async def test_what_no_message_took_is_deleted(stack: Stack, pair: Pair) -> None:
    used = await upload(pair.alice, pair.conversation, PICTURE)
    socket = await pair.alice.connect()
    await socket.send("message.send", **with_uploads(pair.conversation, "1", {"uploadId": used["uploadId"]}))
    await socket.expect("message.sent")
    async with stack.settings("media-1", CHAT_UPLOAD_ORPHAN_SECONDS="1", CHAT_UPLOAD_SWEEP_SECONDS="0.2"):
        orphan = await upload(pair.alice, pair.conversation, PICTURE)

        async def is_gone() -> bool:
            return (await fetch(orphan["url"])).status_code == 404

        await eventually(is_gone)
        answer = await pair.alice.call("GET", f"/chat/uploads/{orphan['uploadId']}")
        assert error_of(answer) == (404, "upload_not_found")
        assert (await fetch(used["url"])).status_code == 200


async def test_a_deleted_message_s_upload_is_gone(stack: Stack, pair: Pair) -> None:
    media = await upload(pair.alice, pair.conversation, PICTURE)
    socket = await pair.alice.connect()
    await socket.send("message.send", **with_uploads(pair.conversation, "1", {"uploadId": media["uploadId"]}))
    await socket.expect("message.sent")
    assert (await fetch(media["url"])).status_code == 200
    await socket.send("message.delete", conversationId=pair.conversation, seq=1)
    await socket.expect("message.deleted")
    for url in (media["url"], media["thumbnail"]):
        assert (await fetch(url)).status_code == 404
    for person in (pair.alice, pair.bob):
        answer = await person.call("GET", f"/chat/uploads/{media['uploadId']}")
        assert error_of(answer) == (404, "upload_not_found")
    store = stack.setting("CHAT_UPLOAD_STORE").removeprefix("file://")
    folder = Path(store) / "objects" / media["uploadId"]

    async def is_deleted() -> bool:
        return not folder.exists()

    await eventually(is_deleted)


async def test_the_python_client_brings_a_file_from_the_disk(stack: Stack, pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "beach.jpg"
    file.write_bytes(PICTURE.data)
    steps: list[tuple[int, int]] = []
    async with ChatClient(stack.url, lambda: _token(pair.alice)) as client:
        media = await client.rest.upload(
            file, pair.conversation, on_progress=lambda sent, total: steps.append((sent, total))
        )
        message = await client.send(pair.conversation, "image", media=[media])
    assert (media["type"], media["name"]) == ("image", "beach.jpg")
    assert message["media"][0]["url"] == media["url"]
    assert steps[0] == (0, len(PICTURE.data))
    assert steps[-1] == (len(PICTURE.data), len(PICTURE.data))


async def _token(person: Person) -> str:
    return person.token
