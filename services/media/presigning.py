"""Presigned URLs of a bucket, to which a client sends one upload by PUT.

A URL for S3 is valid only for the announced size: `Content-Length` is a signed header (AWS Signature Version 4, query
parameters), so S3 itself refuses a body of another size. URLs that obstore signs for GCS and Azure can't have that: there
`complete` refuses another size, and the sweep deletes larger objects.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.store import S3Store

if TYPE_CHECKING:
    from services.media.s3_signing import S3Signer


class Presigner:
    """Signs URLs of `store`. `options`: the options of the store."""

    def __init__(self, store: Any, options: Mapping[str, str]) -> None:
        self._store = store
        self._s3 = _s3_signer(options) if isinstance(store, S3Store) else None

    async def sign(self, name: str, size: int, seconds: float) -> str:
        """Return a URL for the object `name` of `size` bytes, valid for `seconds`. Raises obstore's BaseError."""
        url = str(await obstore.sign_async(self._store, "PUT", name, timedelta(seconds=seconds)))
        if self._s3 is None:
            return url
        return await asyncio.to_thread(self._s3.bind, url, size, round(seconds))


def _s3_signer(options: Mapping[str, str]) -> "S3Signer":
    # Imported here: botocore is an eighth of what media would else import, and other stores don't need it.
    from services.media.s3_signing import S3Signer

    return S3Signer(options)
