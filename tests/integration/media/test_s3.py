"""A bucket as the store: bytes go to it directly, under a presigned URL, and media serves them from there."""

import os

from tests.integration.media.conftest import Conversation, Running, Start
from tests.support.s3_server import BUCKET, S3Server
from tests.support.uploads import File, opened, picture

MIB = 1024 * 1024
PICTURE = File(picture())


async def test_bytes_go_to_the_bucket_and_are_served_by_media(on_s3: Running, s3: S3Server, talk: Conversation) -> None:
    reservation = await on_s3.reserve(talk, PICTURE)
    assert reservation["url"].startswith(f"{s3.endpoint}/{BUCKET}/chat/incoming/{reservation['uploadId']}?X-Amz-")
    assert (await on_s3.put(reservation, PICTURE.data)).is_success
    media = (await on_s3.complete(talk, reservation)).json()["media"]
    upload_id = reservation["uploadId"]
    assert {name.partition(upload_id)[2] for name in s3.names() if upload_id in name} == {"/file", "/thumbnail"}
    served = await on_s3.call("GET", media["url"])
    assert (served.status_code, len(served.content)) == (200, media["size"])
    assert opened(served.content).size == (300, 200)
    part = await on_s3.call("GET", media["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, served.content[10:20])
    assert (await on_s3.call("GET", media["thumbnail"])).status_code == 200
    assert s3.refused == []


async def test_a_presigned_url_is_good_for_its_own_object_alone(
    on_s3: Running, s3: S3Server, talk: Conversation
) -> None:
    one, other = await on_s3.reserve(talk, PICTURE), await on_s3.reserve(talk, PICTURE)
    forged = one["url"].replace(one["uploadId"], other["uploadId"])
    assert (await on_s3.put({**one, "url": forged}, PICTURE.data)).status_code == 403
    assert (await on_s3.put({**one, "method": "GET"}, b"")).status_code == 403
    assert (await on_s3.put({**one, "url": one["url"].partition("?")[0]}, PICTURE.data)).status_code == 403
    assert len(s3.refused) == 3
    s3.refused.clear()
    assert (await on_s3.complete(talk, one)).json()["error"]["code"] == "upload_not_ready"


async def test_wrong_keys_are_noticed_by_the_store(start: Start, s3: S3Server, talk: Conversation) -> None:
    wrong = s3.options.replace("secret_access_key=w", "secret_access_key=x")
    async with start(upload_store=f"s3://{BUCKET}/chat", upload_store_options=wrong) as media:
        reservation = await media.reserve(talk, PICTURE)
        assert (await media.put(reservation, PICTURE.data)).status_code == 403
        answer = await media.complete(talk, reservation)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert await media.state(reservation["uploadId"]) == "reserved"
    s3.refused.clear()


async def test_another_size_than_announced_is_refused_and_deleted(
    on_s3: Running, s3: S3Server, talk: Conversation
) -> None:
    reservation = await on_s3.reserve(talk, PICTURE)
    assert (await on_s3.put(reservation, PICTURE.data + b"more")).is_success  # the bucket can't know
    answer = await on_s3.complete(talk, reservation)
    assert answer.status_code == 422
    assert not [name for name in s3.names() if reservation["uploadId"] in name]


async def test_bytes_that_come_after_complete_are_never_served(
    on_s3: Running, s3: S3Server, talk: Conversation
) -> None:
    reservation = await on_s3.reserve(talk, PICTURE)
    await on_s3.put(reservation, PICTURE.data)
    media = (await on_s3.complete(talk, reservation)).json()["media"]
    before = (await on_s3.call("GET", media["url"])).content
    other = picture(310, 210)
    await on_s3.put(reservation, other)
    assert (await on_s3.complete(talk, reservation)).json()["media"] == media
    assert (await on_s3.call("GET", media["url"])).content == before
    await on_s3.pool.execute("UPDATE media.uploads SET expires_at = now() - interval '1 hour'")
    await on_s3.media.sweep.once()
    assert f"chat/incoming/{reservation['uploadId']}" not in s3.names()
    assert (await on_s3.call("GET", media["url"])).content == before


async def test_bytes_may_go_through_media_in_parts(start: Start, s3: S3Server, talk: Conversation) -> None:
    data = os.urandom(12 * MIB)
    file = File(data, "a.bin", "application/octet-stream")
    async with start(upload_store=f"s3://{BUCKET}/chat", upload_store_options=s3.options, upload_direct=False) as media:
        reservation = await media.reserve(talk, file)
        assert reservation["url"].startswith("http://media/chat/media/")
        assert (await media.put(reservation, data)).status_code == 204
        answer = await media.complete(talk, reservation)
        assert (await media.call("GET", answer.json()["media"]["url"])).content == data
    assert s3.refused == []


async def test_what_is_released_is_deleted_from_the_bucket(on_s3: Running, s3: S3Server, talk: Conversation) -> None:
    media = await on_s3.upload(talk, PICTURE)
    await on_s3.pool.execute("UPDATE media.uploads SET state = 'released' WHERE id = $1", media["uploadId"])
    assert await on_s3.media.sweep.once() >= 1
    assert not [name for name in s3.names() if media["uploadId"] in name]
    assert (await on_s3.call("GET", media["url"])).status_code == 404
