"""Reports: what the platform reads of them is bounded, however large the reported messages are."""

import tracemalloc

import pytest
import uuid_utils

from services.messaging.server_api.reports import PlatformReports
from services.messaging.stores.reports import Reports
from shared.postgres import Pool
from shared.protocol.codec import msgpack_encoder
from shared.protocol.requests import MAX_REPLY_BYTES, ListReports
from tests.support.messaging import Replica, Talk

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)

REPORT_BYTES = 100 * 32 * 1024
"""A hundred messages of 32 KiB."""


async def file(pool: Pool, talk: Talk, reports: int, report_bytes: int = REPORT_BYTES) -> list[str]:
    """File reports; returns their ids, newest first."""
    ids = [str(uuid_utils.uuid7()) for _ in range(reports)]
    await pool.execute(
        """
        INSERT INTO messaging.reports (id, conversation_id, reporter_id, reason, messages)
        SELECT id, $2, $3, 'spam', jsonb_build_array(jsonb_build_object('content', repeat('ก', $4)))
        FROM unnest($1::uuid[]) AS id
        """,
        *(ids, talk.id, talk.one.id, report_bytes // len("ก".encode())),
    )
    return ids[::-1]


async def test_pages_of_large_reports_fit_into_a_reply(replica: Replica, talk: Talk) -> None:
    """Bytes count: letters of most scripts have two or three."""
    reports = PlatformReports(Reports(replica.pool))
    filed = await file(replica.pool, talk, 6, REPORT_BYTES // 2)
    read: list[str] = []
    page = ""
    while len(read) < len(filed):
        answer = await reports.page(ListReports("open", page, 100))
        assert len(msgpack_encoder.encode(answer)) < MAX_REPLY_BYTES
        read += [text.partition('"id":"')[2][:36] for text in answer.reports]
        page = answer.next_page
    assert page == ""
    assert read == filed


async def test_what_does_not_fit_into_a_page_is_not_read(replica: Replica, talk: Talk) -> None:
    """A page of fifty such reports would be more memory than a replica has."""
    reports = PlatformReports(Reports(replica.pool))
    await file(replica.pool, talk, 30)
    tracemalloc.start()
    try:
        answer = await reports.page(ListReports("open", "", 50))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.next_page
    assert peak < 15 * REPORT_BYTES
