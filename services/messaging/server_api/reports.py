"""Reports as the platform sees them."""

from datetime import datetime

from services.messaging.stores.reports import Reports
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import ListReports, ReportList, SetReportState

MOST_BYTES = 2 * 1024 * 1024
"""Largest page in bytes of its messages: a report may keep 100 of 32 KiB. A page always has at least one report."""


class PlatformReports:
    """Lists reports and changes their state. Every method raises what asyncpg raises."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    async def page(self, asked: ListReports) -> ReportList:
        """Return a page, newest first. It has fewer reports where they are large."""
        at, _, report_id = asked.page.partition("|")
        after = (datetime.fromisoformat(at), report_id) if asked.page else None
        found, more = await self._reports.page(asked.state or None, after, asked.limit, MOST_BYTES)
        texts = [json_encoder.encode(report).decode() for report in found]
        return ReportList(texts, f"{found[-1]['createdAt']}|{found[-1]['id']}" if more else "")

    async def set_state(self, asked: SetReportState) -> ReportList:
        """Change the state of one report, and return it. Raises ProtocolError when there is none."""
        report = await self._reports.set_state(asked.report_id, asked.state)
        if report is None:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        return ReportList([json_encoder.encode(report).decode()])
