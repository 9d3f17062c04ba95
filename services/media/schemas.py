"""Bodies of media's REST interface."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.protocol import limits
from shared.rest.bodies import WHOLE, RequestBody
from shared.rest.formats import IdText, InstantText, UuidText

MAX_TYPE_CHARACTERS: Final = 127
EXAMPLE_ID: Final = "0190a1b2-0000-7000-8000-00000000e001"
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They would show `photo\u202egpj.exe` as `photoexe.jpg` (Unicode TR 36, section 2.5)."""


def _file_name(text: str) -> str:
    """Return the last part of a path, without characters that change the direction of text."""
    last = text.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in last if (c.isprintable() or c == "\u200d") and c not in _BIDI).strip()
    if not name or name.strip(".") == "":
        raise ValueError("must be a file name")
    return name


FileName = Annotated[str, Field(min_length=1, max_length=limits.MAX_MEDIA_NAME_CHARACTERS), AfterValidator(_file_name)]
MimeType = Annotated[
    str, Field(min_length=1, max_length=MAX_TYPE_CHARACTERS, pattern=r"^[\w.+-]+/[\w.+-]+\s*(;[ -~]*)?$")
]


class UploadBody(RequestBody):
    """The file to upload, and its conversation."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "conversationId": "0190a1b2-0000-7000-8000-00000000c001",
                "name": "beach.jpg",
                "mimeType": "image/jpeg",
                "size": 1024000,
            }
        }
    )

    conversationId: UuidText  # noqa: N815
    name: FileName = Field(description="As its receiver will see it.")
    mimeType: MimeType = Field(  # noqa: N815
        description="What the file is; `application/octet-stream` where the client doesn't know."
    )
    size: Annotated[int, Field(ge=1, le=limits.MAX_SAFE_INTEGER), WHOLE] = Field(description="Bytes, exactly.")


class UploadReservation(BaseModel):
    """Where to put the bytes, how, and until when."""

    uploadId: IdText  # noqa: N815
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str] = Field(description="To be sent with the bytes, as they are.")
    expiresAt: InstantText  # noqa: N815


class UploadedMedia(BaseModel):
    """A ready upload, in the shape of a message's attachment. URLs are signed for 7 days."""

    uploadId: IdText  # noqa: N815
    url: str
    thumbnail: str | None = Field(None, description="A WebP of at most 640 × 640 pixels.")
    type: Literal["image", "video", "audio", "file"]
    mimeType: str = Field(description="As found in the bytes.")  # noqa: N815
    width: int | None = Field(None, description="Pixels, of what is served.")
    height: int | None = None
    durationMs: int | None = None  # noqa: N815
    size: int = Field(description="Bytes, of what is served.")
    name: str
    blurhash: str | None = Field(None, description="A blurred preview in a few characters (https://blurha.sh).")


class MediaAnswer(BaseModel):
    """The upload."""

    media: UploadedMedia

    @classmethod
    def of(cls, attachment: dict[str, Any]) -> "MediaAnswer":
        """Return the body of an attachment with signed URLs."""
        return cls(media=UploadedMedia(**attachment))
