"""Reports that users filed about messages of others."""

# ruff: noqa: N815 - camel case is the contract's

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.admin.authentication import CallingService
from services.admin.schemas import MessageBody
from shared.protocol.codec import is_uuid
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import ListReports, ReportList, SetReportState
from shared.protocol.topology import MESSAGING_REQUESTS
from shared.requests import Requester
from shared.rest import Page, PageQuery, decode_page, encode_page
from shared.rest.bodies import RequestBody
from shared.rest.formats import IdText, InstantText, UuidText

State = Literal["open", "reviewing", "resolved", "dismissed"]


class ReportsQuery(PageQuery):
    """Which reports to return."""

    state: State | None = None


class StateChange(RequestBody):
    """The new state."""

    state: State


class ReportBody(BaseModel):
    """A report, with its messages as they were when it was created."""

    id: IdText
    conversationId: IdText
    reporterId: IdText
    reason: str
    comment: str | None
    state: State
    messages: list[MessageBody]
    createdAt: InstantText
    updatedAt: InstantText


class ReportRoutes:
    """The paths of reports."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    def router(self) -> APIRouter:
        """The paths."""
        router = APIRouter()
        router.add_api_route("/reports", self.page, methods=["GET"])
        router.add_api_route("/reports/{report_id}", self.change, methods=["PATCH"])
        return router

    async def page(self, _caller: CallingService, query: Annotated[ReportsQuery, Query()]) -> Page[ReportBody]:
        """Return reports, newest first, of one state or of all."""
        position = "" if query.page is None else _position_of(query.page)
        asked = ListReports(query.state or "", position, query.limit)
        found = await self._requester.ask(MESSAGING_REQUESTS, asked, ReportList)
        next_page = encode_page(found.next_page) if found.next_page else None
        return Page(items=[_body(report) for report in found.reports], nextPage=next_page)

    async def change(self, _caller: CallingService, report_id: UuidText, body: StateChange) -> ReportBody:
        """Change the state of a report."""
        asked = SetReportState(report_id, body.state)
        found = await self._requester.ask(MESSAGING_REQUESTS, asked, ReportList)
        return _body(found.reports[0])


def _body(report: str) -> ReportBody:
    fields: dict[str, Any] = json.loads(report)
    return ReportBody.model_validate(fields)


def _position_of(page: str) -> str:
    position = decode_page(page)
    at, _, report_id = position.partition("|")
    try:
        datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        report_id = ""
    if not is_uuid(report_id):
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: must be a nextPage of this list")
    return position
