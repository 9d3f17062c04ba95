"""Media in the test's process, with real PostgreSQL and Redis, on a folder or on a bucket."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jwt
import pytest

from services.media import app
from services.media.app import Media
from services.media.inspection.workers import Workers
from services.media.settings import MediaSettings
from shared import postgres
from shared.redis import open_partitions
from tests.support.azure_server import azure_bucket
from tests.support.bucket import Bucket
from tests.support.plain_http import plain_http
from tests.support.uploads import File

SECRET = "integration-test-secret-0123456789abcdef"
ORIGIN = "http://media"


@dataclass
class Conversation:
    """Two users who may upload for each other."""

    id: str
    alice: str
    bob: str


@dataclass
class Running:
    """Media under test. `pool` is for looking at what it did."""

    media: Media
    pool: postgres.Pool

    async def call(self, method: str, url: str, user_id: str | None = None, **options: Any) -> httpx.Response:
        """A request to media, or to wherever `url` leads; with a token of the user unless that is None."""
        headers = dict(options.pop("headers", {}))
        if user_id is not None:
            claims = {"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + 600}
            headers["Authorization"] = f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"
        ours = url.startswith(("/", ORIGIN))
        transport = httpx.ASGITransport(self.media.app) if ours else None
        async with plain_http(ORIGIN, transport=transport, timeout=60) as client:
            return await client.request(method, url, headers=headers, **options)

    async def reserve(self, talk: Conversation, file: File) -> dict[str, Any]:
        body = {"conversationId": talk.id, "name": file.name, "mimeType": file.mime_type, "size": len(file.data)}
        answer = await self.call("POST", "/chat/uploads", talk.alice, json=body)
        assert answer.status_code == 201, answer.text
        reservation: dict[str, Any] = answer.json()
        return reservation

    async def put(self, reservation: dict[str, Any], data: bytes) -> httpx.Response:
        return await self.call(reservation["method"], reservation["url"], headers=reservation["headers"], content=data)

    async def complete(self, talk: Conversation, reservation: dict[str, Any]) -> httpx.Response:
        return await self.call("POST", f"/chat/uploads/{reservation['uploadId']}/complete", talk.alice)

    async def upload(self, talk: Conversation, file: File) -> dict[str, Any]:
        reservation = await self.reserve(talk, file)
        assert (await self.put(reservation, file.data)).is_success
        answer = await self.complete(talk, reservation)
        assert answer.status_code == 200, answer.text
        media: dict[str, Any] = answer.json()["media"]
        return media

    async def state(self, upload_id: str) -> str | None:
        found: str | None = await self.pool.fetchval("SELECT state FROM media.uploads WHERE id = $1", upload_id)
        return found


class KeptWorkers(Workers):
    """Workers that outlive their media, for the next one with the same limits: each takes 0.4 s of CPU to start."""

    async def stop(self) -> None:
        """Do nothing yet."""

    async def end(self) -> None:
        """End the processes."""
        await super().stop()


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(scope="module")
async def kept_workers() -> AsyncIterator[Callable[..., Workers]]:
    """Makes the workers of every media of the module."""
    made: dict[tuple[float, ...], KeptWorkers] = {}

    def make(*limits: Any) -> Workers:
        if limits not in made:
            made[limits] = KeptWorkers(*limits)
        return made[limits]

    yield make
    for workers in made.values():
        await workers.end()


@pytest.fixture(scope="module", params=["s3", "gcs", "azure"])
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket of each kind in turn."""
    # Every process of a run collects this module, and one uses these: they import moto and boto3, 0.7 s of CPU.
    from tests.support.gcs_server import gcs_bucket
    from tests.support.s3_server import s3_bucket

    opened = {"s3": s3_bucket, "gcs": lambda: gcs_bucket(tmp_path_factory.mktemp("gcs")), "azure": azure_bucket}
    with opened[request.param]() as server:
        yield server


@pytest.fixture
def start(
    database_url: str,
    redis_url: str,
    kept_workers: Callable[..., Workers],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Start:
    """Starts media, with settings of one's choice."""
    monkeypatch.setattr(app, "Workers", kept_workers)
    environment = {
        "DATABASE_URL": database_url,
        "AMQP_URL": "amqp://unused",
        "REDIS_URLS": redis_url,
        "JWT_SECRET": SECRET,
        "PUBLIC_URL": ORIGIN,
        "UPLOAD_SIGNING_KEYS": "integration-test-upload-key-0123456789",
        "UPLOAD_STORE": f"file://{tmp_path}/store",
        "UPLOAD_WORKERS": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"CHAT_{name}", value)

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[Running]:
        settings = MediaSettings(**changes)
        signer = settings.signer()
        assert signer is not None
        pool = await postgres.open_pool(settings.database_url, size=8, application_name="test")
        partitions = open_partitions(settings.redis_urls)
        media = Media(settings, pool, partitions, signer)
        try:
            yield Running(media, pool)
        finally:
            await media.aclose()
            await partitions.aclose()
            await pool.close()

    return started


@pytest.fixture
async def running(start: Start) -> AsyncIterator[Running]:
    """Media with its files in a folder."""
    async with start() as media:
        yield media


@pytest.fixture
async def on_bucket(start: Start, bucket: Bucket) -> AsyncIterator[Running]:
    """Media with its files in a bucket, to which clients send them."""
    bucket.refused.clear()
    async with start(upload_store=bucket.url, upload_store_options=bucket.options) as media:
        yield media


@pytest.fixture
async def talk(database_url: str) -> Conversation:
    """A conversation that messaging knows."""
    low, high = sorted(str(uuid.uuid4()) for _ in range(2))
    made = Conversation(str(uuid.uuid4()), low, high)
    database = await asyncpg.connect(database_url)
    await database.execute(
        "INSERT INTO messaging.conversations (id, user_low, user_high, created_at, updated_at)"
        " VALUES ($1, $2, $3, now(), now())",
        *(made.id, low, high),
    )
    await database.close()
    return made
