r"""Signed URLs of uploads: whoever has the URL may read (or write) that one object until the time that it names.

`HMAC-SHA256(key, "<method>\n<object>\n<expires>")`, base64url without padding (RFC 2104, RFC 4648 section 5). The method is
signed too, so that a URL to read an object never writes it.
"""

import base64
import hashlib
import hmac
import math
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from shared.protocol import limits
from shared.protocol.codec import json_encoder
from shared.protocol.payloads import Attachment, has_uploads

MEDIA_PATH: Final = "/chat/media"
"""Where media takes and serves bytes; behind it stands the object's name, `<upload id>/<variant>`."""
FILE: Final = "file"
THUMBNAIL: Final = "thumbnail"
Method = Literal["GET", "PUT"]

_ROUND_SECONDS: Final = 3600
"""Expiry times are rounded up to this, so that URLs of one object that are made within an hour are equal, and cached once."""

_attachments: Final = msgspec.json.Decoder(list[Attachment])


class UploadSigner:
    """Makes and checks URLs below `base_url`. The first of `keys` signs, all are accepted. `clock`: Unix seconds."""

    def __init__(self, base_url: str, keys: Sequence[bytes], clock: Callable[[], float] = time.time) -> None:
        self._base = base_url.rstrip("/") + MEDIA_PATH
        self._keys = tuple(keys)
        self._clock = clock

    def read_url(self, name: str) -> str:
        """A URL that serves the object `name` for 7 days, up to an hour more."""
        until = math.ceil((self._clock() + limits.UPLOAD_URL_SECONDS) / _ROUND_SECONDS) * _ROUND_SECONDS
        return self._url("GET", name, until)

    def write_url(self, name: str, until: float) -> str:
        """A URL that takes the bytes of the object `name` up to the Unix time `until`."""
        return self._url("PUT", name, math.ceil(until))

    def accepts(self, method: Method, name: str, expires: str, signature: str) -> bool:
        """Whether `expires` and `signature` were made here for this method and object, and are not over."""
        if not (expires.isascii() and expires.isdigit()) or len(expires) > 12 or int(expires) < self._clock():
            return False
        given = signature.encode("ascii", "replace")
        return any(hmac.compare_digest(_sign(key, method, name, expires), given) for key in self._keys)

    def sign_media(self, media: str) -> str:
        """`media`, the JSON of a stored message's attachments, with fresh URLs for those that are uploads."""
        if not has_uploads(media):
            return media
        return json_encoder.encode([self.sign(item) for item in _attachments.decode(media)]).decode()

    def sign(self, item: Attachment) -> Attachment:
        """A stored attachment as clients get it: where it is an upload, its URLs are made from the objects' names."""
        if item.upload_id is None or item.url is None:
            return item
        thumbnail = None if item.thumbnail is None else self.read_url(item.thumbnail)
        return msgspec.structs.replace(item, url=self.read_url(item.url), thumbnail=thumbnail)

    def _url(self, method: Method, name: str, until: int) -> str:
        signature = _sign(self._keys[0], method, name, str(until)).decode()
        return f"{self._base}/{name}?expires={until}&signature={signature}"


def object_name(upload_id: str, variant: str) -> str:
    """How an upload's object is named in URLs and in stored messages."""
    return f"{upload_id}/{variant}"


def _sign(key: bytes, method: str, name: str, expires: str) -> bytes:
    digest = hmac.new(key, f"{method}\n{name}\n{expires}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=")
