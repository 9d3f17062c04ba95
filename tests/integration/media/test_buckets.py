"""Buckets of S3, GCS and Azure as the store: bytes go there directly, under a presigned URL, and media serves them."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.integration.media.conftest import Conversation, Running, Start
from tests.support.bucket import Bucket
from tests.support.uploads import File, opened, picture

MIB = 1024 * 1024
PICTURE = File(picture())


async def test_bytes_go_to_the_bucket_and_are_served_by_media(
    on_bucket: Running, bucket: Bucket, talk: Conversation
) -> None:
    reservation = await on_bucket.reserve(talk, PICTURE)
    assert reservation["url"].startswith(f"{bucket.origin}/uploads/chat/incoming/")
    assert reservation["headers"]["Content-Type"] == PICTURE.mime_type
    assert (await on_bucket.put(reservation, PICTURE.data)).is_success
    media = (await on_bucket.complete(talk, reservation)).json()["media"]
    upload_id = reservation["uploadId"]
    assert {name.partition(upload_id)[2] for name in bucket.names() if upload_id in name} == {"/file", "/thumbnail"}
    served = await on_bucket.call("GET", media["url"])
    assert (served.status_code, len(served.content)) == (200, media["size"])
    assert opened(served.content).size == (300, 200)
    part = await on_bucket.call("GET", media["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, served.content[10:20])
    assert (await on_bucket.call("GET", media["thumbnail"])).status_code == 200
    assert bucket.refused == []


async def test_a_presigned_url_is_good_for_its_own_object_alone(
    on_bucket: Running, bucket: Bucket, talk: Conversation
) -> None:
    one, other = await on_bucket.reserve(talk, PICTURE), await on_bucket.reserve(talk, PICTURE)
    forged = one["url"].replace(one["uploadId"], other["uploadId"])
    assert (await on_bucket.put({**one, "url": forged}, PICTURE.data)).status_code == 403
    assert (await on_bucket.put({**one, "method": "GET"}, b"")).status_code == 403
    assert (await on_bucket.put({**one, "url": one["url"].partition("?")[0]}, PICTURE.data)).status_code == 403
    assert (await on_bucket.complete(talk, one)).json()["error"]["code"] == "upload_not_ready"


async def test_wrong_keys_are_noticed_by_the_store(start: Start, bucket: Bucket, talk: Conversation) -> None:
    async with start(upload_store=bucket.url, upload_store_options=bucket.wrong_options) as media:
        reservation = await media.reserve(talk, PICTURE)
        assert (await media.put(reservation, PICTURE.data)).status_code == 403
        answer = await media.complete(talk, reservation)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert await media.state(reservation["uploadId"]) == "reserved"


@pytest.mark.parametrize("data", [PICTURE.data + b"more", PICTURE.data[:-1]], ids=["more", "less"])
async def test_another_size_than_announced_is_kept_nowhere(
    on_bucket: Running, bucket: Bucket, talk: Conversation, data: bytes
) -> None:
    reservation = await on_bucket.reserve(talk, PICTURE)
    answer = await on_bucket.put(reservation, data)
    if bucket.binds_size:
        assert answer.status_code == 403
        assert (await on_bucket.complete(talk, reservation)).json()["error"]["code"] == "upload_not_ready"
        assert (await on_bucket.put(reservation, PICTURE.data)).is_success
        assert (await on_bucket.complete(talk, reservation)).status_code == 200
    else:
        assert answer.is_success
        assert (await on_bucket.complete(talk, reservation)).status_code == 422
        assert not [name for name in bucket.names() if reservation["uploadId"] in name]


async def test_oversized_objects_are_deleted_before_complete(
    on_bucket: Running, bucket: Bucket, talk: Conversation
) -> None:
    large, right = [await on_bucket.reserve(talk, PICTURE) for _ in range(2)]
    storage = on_bucket.media.sweep.storage
    await storage.write(f"incoming/{large['uploadId']}", chunks(PICTURE.data, b"more"))
    assert (await on_bucket.put(right, PICTURE.data)).is_success
    await on_bucket.media.sweep.once()
    left = {name.rpartition("/")[2] for name in bucket.names() if "/incoming/" in name}
    assert (large["uploadId"] in left, right["uploadId"] in left) == (False, True)
    assert (await on_bucket.put(large, PICTURE.data)).is_success
    for reservation in (large, right):
        assert (await on_bucket.complete(talk, reservation)).status_code == 200


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_bytes_that_come_after_complete_are_never_served(
    on_bucket: Running, bucket: Bucket, talk: Conversation
) -> None:
    reservation = await on_bucket.reserve(talk, PICTURE)
    await on_bucket.put(reservation, PICTURE.data)
    media = (await on_bucket.complete(talk, reservation)).json()["media"]
    before = (await on_bucket.call("GET", media["url"])).content
    other = picture(310, 210)
    await on_bucket.put(reservation, other)
    assert (await on_bucket.complete(talk, reservation)).json()["media"] == media
    assert (await on_bucket.call("GET", media["url"])).content == before
    await on_bucket.pool.execute("UPDATE media.uploads SET expires_at = now() - interval '1 hour'")
    await on_bucket.media.sweep.once()
    assert f"chat/incoming/{reservation['uploadId']}" not in bucket.names()
    assert (await on_bucket.call("GET", media["url"])).content == before


async def test_bytes_may_go_through_media_in_parts(start: Start, bucket: Bucket, talk: Conversation) -> None:
    data = os.urandom(12 * MIB)
    file = File(data, "a.bin", "application/octet-stream")
    bucket.refused.clear()
    async with start(upload_store=bucket.url, upload_store_options=bucket.options, upload_direct=False) as media:
        reservation = await media.reserve(talk, file)
        assert reservation["url"].startswith("http://media/chat/media/")
        assert (await media.put(reservation, data)).status_code == 204
        answer = await media.complete(talk, reservation)
        assert (await media.call("GET", answer.json()["media"]["url"])).content == data
    assert bucket.refused == []


async def test_what_is_released_is_deleted_from_the_bucket(
    on_bucket: Running, bucket: Bucket, talk: Conversation
) -> None:
    media = await on_bucket.upload(talk, PICTURE)
    await on_bucket.pool.execute("UPDATE media.uploads SET state = 'released' WHERE id = $1", media["uploadId"])
    assert await on_bucket.media.sweep.once() >= 1
    assert not [name for name in bucket.names() if media["uploadId"] in name]
    assert (await on_bucket.call("GET", media["url"])).status_code == 404
