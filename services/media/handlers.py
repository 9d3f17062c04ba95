"""Handles clients' requests: reserve an upload, complete it, show it."""

from datetime import UTC
from typing import Any, Final

import msgspec
import uuid_utils
from starlette.exceptions import HTTPException

from services.media import metrics
from services.media.completion import Completion, outcome_of
from services.media.inspection.sniffing import canonical
from services.media.schemas import UploadBody, UploadReservation
from services.media.settings import MediaSettings
from services.media.storage import Storage
from services.media.uploads import OverQuota, Reservation, State, Uploads
from shared.protocol.codec import instant
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Attachment
from shared.uploads import UploadSigner
from shared.uploads.signing import FILE, object_name

_attachment: Final = msgspec.json.Decoder(Attachment)


class Handlers:
    """Carries out requests about uploads."""

    def __init__(
        self, settings: MediaSettings, uploads: Uploads, storage: Storage, completion: Completion, signer: UploadSigner
    ) -> None:
        self._settings = settings
        self._uploads = uploads
        self._storage = storage
        self._completion = completion
        self._signer = signer

    async def reserve(self, user_id: str, body: UploadBody) -> UploadReservation:
        """Reserve an upload. Raises ProtocolError and HTTPException (413)."""
        settings = self._settings
        if body.size > settings.upload_max_bytes:
            metrics.REFUSED.labels("reserve").inc()
            raise HTTPException(
                413, f"size: {body.size} bytes are too many; at most {settings.upload_max_bytes} are accepted"
            )
        if canonical(body.mimeType) not in settings.upload_types:
            metrics.REFUSED.labels("reserve").inc()
            allowed = ", ".join(settings.upload_types)
            raise ProtocolError(
                ErrorCode.VALIDATION_ERROR, f"mimeType: {body.mimeType} is not accepted; use one of {allowed}"
            )
        if not await self._uploads.is_participant(body.conversationId, user_id):
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        upload_id = str(uuid_utils.uuid7())
        new = Reservation(upload_id, user_id, body.conversationId, body.name, body.mimeType, body.size)
        try:
            until = await self._uploads.reserve(new, settings.upload_reservation_seconds)
        except OverQuota as error:
            metrics.REFUSED.labels("quota").inc()
            raise ProtocolError(
                ErrorCode.RATE_LIMIT_EXCEEDED, "Too many uploads", retry_after=round(error.retry_after, 3)
            ) from None
        metrics.RESERVED.inc()
        headers = {"Content-Type": body.mimeType}
        if self._storage.presigns:
            url = await self._storage.presign(upload_id, body.size, settings.upload_reservation_seconds)
            headers |= self._storage.headers
        else:
            url = self._signer.write_url(object_name(upload_id, FILE), until.timestamp())
        return UploadReservation(uploadId=upload_id, url=url, headers=headers, expiresAt=instant(until.astimezone(UTC)))

    async def complete(self, user_id: str, upload_id: str) -> dict[str, Any]:
        """Complete an upload. Raises ProtocolError, Refused, and what the store raises."""
        return self._signed(await self._completion.complete(user_id, upload_id))

    async def show(self, user_id: str, upload_id: str) -> dict[str, Any]:
        """Return the upload with newly signed URLs: to its user, and to both participants once it is in a message.

        Raises ProtocolError.
        """
        upload = await self._uploads.find(upload_id)
        if upload is not None and upload.user_id == user_id and upload.state is not State.REJECTED:
            return self._signed(outcome_of(upload))
        if (
            upload is None
            or upload.state is not State.USED
            or not await self._uploads.is_participant(upload.conversation_id, user_id)
        ):
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
        return self._signed(outcome_of(upload))

    def _signed(self, media: str) -> dict[str, Any]:
        signed: dict[str, Any] = msgspec.to_builtins(self._signer.sign(_attachment.decode(media)))
        return signed
