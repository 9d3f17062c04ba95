r"""Signed URLs of uploads: a client with the URL may read (or write) one object until the time in the URL.

`HMAC-SHA256(key, "<method>\n<object>\n<expires>")`, base64url without padding (RFC 2104, RFC 4648 section 5). The method is
signed too, so that a URL for reading can't be used for writing.
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
"""The path under which media receives and serves bytes. The object's name, `<upload id>/<variant>`, follows."""
FILE: Final = "file"
THUMBNAIL: Final = "thumbnail"
Method = Literal["GET", "PUT"]

_ROUND_SECONDS: Final = 3600
"""Expiry times are rounded up to this, so that URLs of one object within an hour are equal, and caches have one copy."""

_attachments: Final = msgspec.json.Decoder(list[Attachment])


class UploadSigner:
    """Makes and checks URLs below `base_url`. The first of `keys` signs, all are accepted. `clock`: Unix seconds."""

    def __init__(self, base_url: str, keys: Sequence[bytes], clock: Callable[[], float] = time.time) -> None:
        self._base = base_url.rstrip("/") + MEDIA_PATH
        self._keys = tuple(keys)
        self._clock = clock

    def read_url(self, name: str) -> str:
        """Return a URL to read the object `name`, valid for 7 days and up to an hour more."""
        until = math.ceil((self._clock() + limits.UPLOAD_URL_SECONDS) / _ROUND_SECONDS) * _ROUND_SECONDS
        return self._url("GET", name, until)

    def write_url(self, name: str, until: float) -> str:
        """Return a URL to write the object `name`, valid until the Unix time `until`."""
        return self._url("PUT", name, math.ceil(until))

    def accepts(self, method: Method, name: str, expires: str, signature: str) -> bool:
        """Return whether `expires` and `signature` are valid for this method and object, and not expired."""
        if not (expires.isascii() and expires.isdigit()) or len(expires) > 12 or int(expires) < self._clock():
            return False
        given = signature.encode("ascii", "replace")
        return any(hmac.compare_digest(_sign(key, method, name, expires), given) for key in self._keys)

    def sign_media(self, media: str) -> str:
        """Return `media`, the JSON of a stored message's attachments, with newly signed URLs for uploads."""
        if not has_uploads(media):
            return media
        return json_encoder.encode([self.sign(item) for item in _attachments.decode(media)]).decode()

    def sign(self, item: Attachment) -> Attachment:
        """Return a stored attachment for clients. For an upload, the object names are replaced by signed URLs."""
        if item.upload_id is None or item.url is None:
            return item
        thumbnail = None if item.thumbnail is None else self.read_url(item.thumbnail)
        return msgspec.structs.replace(item, url=self.read_url(item.url), thumbnail=thumbnail)

    def _url(self, method: Method, name: str, until: int) -> str:
        signature = _sign(self._keys[0], method, name, str(until)).decode()
        return f"{self._base}/{name}?expires={until}&signature={signature}"


def object_name(upload_id: str, variant: str) -> str:
    """Return the name of an upload's object in URLs and in stored messages."""
    return f"{upload_id}/{variant}"


def _sign(key: bytes, method: str, name: str, expires: str) -> bytes:
    digest = hmac.new(key, f"{method}\n{name}\n{expires}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=")
