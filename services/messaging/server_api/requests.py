"""Dispatches the server API's requests to the objects that carry them out."""

import msgspec

from services.messaging.server_api.conversations import PlatformConversations
from services.messaging.server_api.erasure import Erasure
from services.messaging.server_api.export import Export
from services.messaging.server_api.imports import Imports
from services.messaging.server_api.reports import PlatformReports
from services.messaging.server_api.sends import Sends
from shared.protocol.requests import (
    EraseUser,
    ExportUser,
    ImportConversations,
    Imported,
    ImportMessages,
    ListReports,
    MessagingRequest,
    OpenConversation,
    SendAs,
    SetReportState,
    TakeDown,
)


class PlatformRequests:
    """One branch for each kind of request."""

    def __init__(
        self,
        conversations: PlatformConversations,
        sends: Sends,
        reports: PlatformReports,
        imports: Imports,
        erasure: Erasure,
        export: Export,
    ) -> None:
        self._erasure = erasure
        self._export = export
        self._reports = reports
        self._imports = imports
        self._conversations = conversations
        self._sends = sends

    async def handle(self, request: MessagingRequest, again: bool) -> msgspec.Struct:
        """Carry out one request, and return its answer. Raises ProtocolError, and what the backends raise."""
        if isinstance(request, OpenConversation):
            return await self._conversations.open(*request.user_ids)
        if isinstance(request, SendAs):
            return await self._sends.send(request.send, again)
        if isinstance(request, TakeDown):
            return await self._sends.take_down(request.conversation_id, request.seq, again)
        if isinstance(request, EraseUser):
            return await self._erasure.erase(request.user_id, request.page, again)
        if isinstance(request, ExportUser):
            return await self._export.page(request.user_id, request.page)
        if isinstance(request, ListReports):
            return await self._reports.page(request)
        if isinstance(request, SetReportState):
            return await self._reports.set_state(request)
        if isinstance(request, ImportMessages):
            return Imported(await self._imports.messages(request.messages))
        if isinstance(request, ImportConversations):
            return Imported(await self._imports.conversations(request.conversations))
        return await self._conversations.read(request)
