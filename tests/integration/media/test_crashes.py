"""After the death of any process, no upload that a message needs is lost, and nothing unneeded is kept."""

import itertools
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from services.media.inspection.refusal import Refused
from services.media.storage import Storage
from services.media.uploads import Quota, Uploads
from tests.integration.media.conftest import Conversation, Running, Start
from tests.support.uploads import File, picture

FILES = [File(picture()), File(b"only text", "a.txt", "text/plain")]


class Killed(BaseException):
    """The process ended here."""


class DeathList:
    """Kills at the `at`-th change of the store or of an upload's state, before it is made; later changes are not reached."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: int | None = None
        self.changes = 0
        for name in ("move", "write_file", "delete"):
            self._wrap(monkeypatch, Storage, name)
        self._wrap(monkeypatch, Uploads, "finish")
        monkeypatch.setattr(Uploads, "give_back", self._nothing)  # who is dead gives nothing back

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, changed: type, name: str) -> None:
        original = getattr(changed, name)

        async def change(*arguments: Any) -> Any:
            self.changes += 1
            if self.changes == self.at:
                raise Killed
            return await original(*arguments)

        monkeypatch.setattr(changed, name, change)

    async def _nothing(self, *_: Any) -> None:
        """Instead of giving an upload back."""

    def arm(self, at: int | None) -> None:
        self.at, self.changes = at, 0


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> DeathList:
    return DeathList(monkeypatch)


def stored(folder: Path) -> list[str]:
    """Files in the store."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def take(running: Running, upload_id: str, seq: int) -> None:
    """As messaging does when it stores a message."""
    await running.pool.execute(
        "UPDATE media.uploads SET state = 'used', message_seq = $2, message_key = 'k' WHERE id = $1", upload_id, seq
    )


@pytest.mark.parametrize("file", FILES, ids=["picture", "text"])
async def test_a_completion_that_dies_is_finished_by_the_next_one(
    running: Running, talk: Conversation, tmp_path: Path, deaths: DeathList, file: File
) -> None:
    for at in itertools.count(1):
        reservation = await running.reserve(talk, file)
        assert (await running.put(reservation, file.data)).is_success
        deaths.arm(at)
        died = False
        try:
            await running.complete(talk, reservation)
        except Killed:
            died = True
        deaths.arm(None)
        if not died:
            break
        upload_id = reservation["uploadId"]
        assert await running.state(upload_id) in {"processing", "ready"}
        await running.pool.execute("UPDATE media.uploads SET processing_until = now() WHERE id = $1", upload_id)
        answer = await running.complete(talk, reservation)
        assert answer.status_code == 200, answer.text
        served = await running.call("GET", answer.json()["media"]["url"])
        assert len(served.content) == answer.json()["media"]["size"]
        await take(running, upload_id, at)
        await running.pool.execute("UPDATE media.uploads SET expires_at = now() - interval '1 hour'")
        await running.media.sweep.once()
        assert {name.rpartition("/")[2] for name in stored(tmp_path / "store") if upload_id in name} <= {
            "file",
            "thumbnail",
        }
        assert (await running.call("GET", answer.json()["media"]["url"])).content == served.content
    assert at > 1


@pytest.mark.parametrize("file", FILES, ids=["picture", "text"])
async def test_the_next_completion_succeeds_after_the_result_could_not_be_stored(
    running: Running, talk: Conversation, monkeypatch: pytest.MonkeyPatch, file: File
) -> None:
    """PostgreSQL failed over just then."""

    async def fail(*_: Any) -> bool:
        raise ConnectionResetError

    reservation = await running.reserve(talk, file)
    assert (await running.put(reservation, file.data)).is_success
    with monkeypatch.context() as away:
        away.setattr(Uploads, "finish", fail)
        assert (await running.complete(talk, reservation)).status_code == 503
    answer = await running.complete(talk, reservation)
    assert answer.status_code == 200, answer.text
    served = await running.call("GET", answer.json()["media"]["url"])
    assert len(served.content) == answer.json()["media"]["size"]


async def test_bytes_that_are_replaced_during_the_completion_are_refused(
    running: Running, talk: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """URLs of some buckets don't limit the size, so the client could replace what was measured by something larger."""
    reservation = await running.reserve(talk, FILES[1])
    assert (await running.put(reservation, FILES[1].data)).is_success
    move = Storage.move

    async def replace(storage: Storage, name: str, to: str) -> None:
        (tmp_path / "store" / name).write_bytes(b"x" * 100_000)
        await move(storage, name, to)

    monkeypatch.setattr(Storage, "move", replace)
    answer = await running.complete(talk, reservation)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize("file", FILES, ids=["picture", "text"])
async def test_a_process_that_stood_still_deletes_nothing_of_what_another_one_finished(
    running: Running, talk: Conversation, file: File
) -> None:
    """It wakes up after its lease has ended, in the middle of a completion."""
    reservation = await running.reserve(talk, file)
    assert (await running.put(reservation, file.data)).is_success
    uploads = Uploads(running.pool, Quota(0, 0))
    standing_still = await uploads.begin(reservation["uploadId"], talk.alice, 0)
    assert standing_still is not None
    media = (await running.complete(talk, reservation)).json()["media"]
    with suppress(Refused):
        await running.media.completion._process(standing_still)
    served = await running.call("GET", media["url"])
    assert (served.status_code, len(served.content)) == (200, media["size"])


async def test_a_sweep_that_dies_is_finished_by_the_next_one(
    running: Running, talk: Conversation, tmp_path: Path, deaths: DeathList
) -> None:
    kept = [await running.upload(talk, file) for file in FILES]
    for number, media in enumerate(kept, start=1):
        await take(running, media["uploadId"], number)
    before = stored(tmp_path / "store")
    for at in range(1, 4):
        gone = await running.upload(talk, FILES[0])
        await running.pool.execute("UPDATE media.uploads SET state = 'released' WHERE id = $1", gone["uploadId"])
        assert (await running.call("GET", gone["url"])).status_code == 404
        deaths.arm(at)
        with suppress(Killed):
            await running.media.sweep.once()
        deaths.arm(None)
        await running.media.sweep.once()
        assert await running.state(gone["uploadId"]) == "deleted"
        assert stored(tmp_path / "store") == before
    for media in kept:
        assert (await running.call("GET", media["url"])).status_code == 200


async def test_quotas_count_what_was_deleted_and_the_row_goes_after_a_day(running: Running, talk: Conversation) -> None:
    media = await running.upload(talk, FILES[1])
    await running.pool.execute("UPDATE media.uploads SET state = 'released' WHERE id = $1", media["uploadId"])
    await running.media.sweep.once()
    assert await running.state(media["uploadId"]) == "deleted"
    row = await running.pool.fetchrow("SELECT name, media FROM media.uploads WHERE id = $1", media["uploadId"])
    assert row is not None
    await running.pool.execute("UPDATE media.uploads SET reserved_at = now() - interval '25 hours'")
    await running.media.sweep.once()
    assert await running.state(media["uploadId"]) is None


@pytest.mark.parametrize("state", ["reserved", "processing", "ready", "rejected"])
async def test_orphans_go_in_every_state_when_their_time_is_over(
    start: Start, talk: Conversation, tmp_path: Path, state: str
) -> None:
    async with start(upload_orphan_seconds=3600) as running:
        fresh, old = [await running.upload(talk, FILES[1]) for _ in range(2)]
        for media, age in ((fresh, "1 minute"), (old, "2 hours")):
            await running.pool.execute(
                "UPDATE media.uploads SET state = $2, completed_at = now() - $3::text::interval,"
                " expires_at = now() + interval '30 minutes' - $3::text::interval,"
                " processing_until = now() + interval '5 minutes' - $3::text::interval WHERE id = $1",
                *(media["uploadId"], state, age),
            )
        await running.media.sweep.once()
        assert await running.state(fresh["uploadId"]) == state
        assert await running.state(old["uploadId"]) == "deleted"
        assert not [name for name in stored(tmp_path / "store") if old["uploadId"] in name]


async def test_what_a_killed_writer_left_is_cleared(running: Running, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "incoming"
    folder.mkdir(parents=True)
    for name, age in (("old#1", 10_000), ("young#1", 10)):
        (folder / name).write_bytes(b"part of something")
        set_age(folder / name, age)
    await running.media.sweep.once()
    assert stored(tmp_path / "store") == ["incoming/young#1"]


async def test_it_is_not_looked_for_in_each_sweep(running: Running, tmp_path: Path) -> None:
    """A folder may have millions of uploads, and a sweep begins every ten seconds."""
    await running.media.sweep.once()
    left = tmp_path / "store" / "incoming" / "old#1"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"part of something")
    set_age(left, 10_000)
    await running.media.sweep.once()
    assert left.exists()


def set_age(path: Path, seconds: float) -> None:
    """Let a file look as old as that."""
    then = time.time() - seconds
    os.utime(path, (then, then))


async def test_an_upload_waits_for_a_scanner_that_is_away(start: Start, talk: Conversation) -> None:
    async with start(upload_scanner_url="tcp://127.0.0.1:1") as running:
        reservation = await running.reserve(talk, FILES[0])
        await running.put(reservation, FILES[0].data)
        answer = await running.complete(talk, reservation)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "upload_not_ready")
    async with start() as running:
        assert (await running.complete(talk, reservation)).status_code == 200
