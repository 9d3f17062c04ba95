"""REST: uploads for clients, and the bytes under signed URLs."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response

from services.media.handlers import Handlers
from services.media.receiver import Receiver
from services.media.schemas import MediaAnswer, UploadBody, UploadReservation
from services.media.serving import Serving
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import CurrentUser
from shared.rest.formats import UuidText
from shared.uploads import UploadSigner
from shared.uploads.signing import FILE, MEDIA_PATH, Method, object_name

UploadId = Annotated[UuidText, Path(alias="upload_id")]
Variant = Literal["file", "thumbnail"]
EXPIRED = "This URL is not valid, or its time is over; GET /chat/uploads/{uploadId} gives a new one"


class Endpoints:
    """The paths of media."""

    def __init__(self, handlers: Handlers, receiver: Receiver, serving: Serving, signer: UploadSigner) -> None:
        self._handlers = handlers
        self._receiver = receiver
        self._serving = serving
        self._signer = signer

    def router(self) -> APIRouter:
        """Return the paths of the protocol, with their documentation."""
        router = APIRouter(prefix="/chat/uploads", tags=["media"])
        options: dict[str, Any] = {"response_model_exclude_none": True}
        router.add_api_route("", self.reserve, methods=["POST"], status_code=201)
        router.add_api_route("/{upload_id}/complete", self.complete, methods=["POST"], **options)
        router.add_api_route("/{upload_id}", self.show, methods=["GET"], **options)
        return router

    def bytes_router(self) -> APIRouter:
        """Return the paths of signed URLs. Clients get complete URLs, so these paths aren't part of the protocol."""
        router = APIRouter(prefix=MEDIA_PATH, include_in_schema=False)
        router.add_api_route("/{upload_id}/{variant}", self.read, methods=["GET", "HEAD"], response_model=None)
        router.add_api_route("/{upload_id}/file", self.write, methods=["PUT"], status_code=204)
        return router

    async def reserve(self, user: CurrentUser, body: UploadBody) -> UploadReservation:
        """Reserve an upload: the answer says where to send the bytes."""
        return await self._handlers.reserve(user.user_id, body)

    async def complete(self, user: CurrentUser, upload_id: UploadId) -> MediaAnswer:
        """Complete an upload after all bytes were sent: they are checked. A repeated call gets the same answer."""
        return MediaAnswer.of(await self._handlers.complete(user.user_id, upload_id))

    async def show(self, user: CurrentUser, upload_id: UploadId) -> MediaAnswer:
        """Return an upload with newly signed URLs."""
        return MediaAnswer.of(await self._handlers.show(user.user_id, upload_id))

    async def read(
        self, request: Request, upload_id: UploadId, variant: Variant, expires: str = "", signature: str = ""
    ) -> Response:
        """Return the bytes of an upload or its thumbnail."""
        self._check("GET", object_name(upload_id, variant), expires, signature)
        return await self._serving.serve(upload_id, variant, request)

    async def write(self, request: Request, upload_id: UploadId, expires: str = "", signature: str = "") -> None:
        """Receive the bytes of an upload."""
        self._check("PUT", object_name(upload_id, FILE), expires, signature)
        await self._receiver.receive(upload_id, request)

    def _check(self, method: Method, name: str, expires: str, signature: str) -> None:
        if not self._signer.accepts(method, name, expires, signature):
            raise ProtocolError(ErrorCode.FORBIDDEN, EXPIRED)
