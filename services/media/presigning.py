"""Presigned URLs of a bucket, to which a client sends one upload by PUT.

A URL for S3 is valid only for the announced size: `Content-Length` is a signed header (AWS Signature Version 4, query
parameters), so S3 itself refuses a body of another size. URLs that obstore signs for GCS and Azure can't have that: there
`complete` refuses another size, and the sweep deletes larger objects.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import botocore.session
import obstore
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from obstore.exceptions import UnauthenticatedError
from obstore.store import S3Store

_ACCESS_KEY: Final = ("access_key_id", "aws_access_key_id")
_SECRET_KEY: Final = ("secret_access_key", "aws_secret_access_key")
_TOKEN: Final = ("session_token", "token", "aws_session_token", "aws_token")


class Presigner:
    """Signs URLs of `store`. `options`: the options of the store."""

    def __init__(self, store: Any, options: Mapping[str, str]) -> None:
        self._store = store
        self._options = options
        self._credentials: Any = None

    async def sign(self, name: str, size: int, seconds: float) -> str:
        """Return a URL for the object `name` of `size` bytes, valid for `seconds`. Raises obstore's BaseError."""
        url = str(await obstore.sign_async(self._store, "PUT", name, timedelta(seconds=seconds)))
        if not isinstance(self._store, S3Store):
            return url
        # Credentials of a pod's identity are fetched over the network again before they expire.
        return await asyncio.to_thread(self._bind, url, size, round(seconds))

    def _bind(self, url: str, size: int, seconds: int) -> str:
        """Return the same URL, signed again together with the length of the body."""
        base, _, query = url.partition("?")
        region = parse_qs(query)["X-Amz-Credential"][0].split("/")[2]
        request = AWSRequest("PUT", base, headers={"Content-Length": str(size), "Host": urlsplit(url).netloc})
        S3SigV4QueryAuth(self._frozen(), "s3", region, expires=seconds).add_auth(request)
        return str(request.url)

    def _frozen(self) -> Any:
        if self._credentials is None:
            self._credentials = self._given() or botocore.session.get_session().get_credentials()
        if self._credentials is None:
            raise UnauthenticatedError(
                "no AWS credentials: neither in CHAT_UPLOAD_STORE_OPTIONS nor in AWS_… nor of the pod"
            )
        return self._credentials.get_frozen_credentials()

    def _given(self) -> Credentials | None:
        access_key, secret_key = self._option(_ACCESS_KEY), self._option(_SECRET_KEY)
        return Credentials(access_key, secret_key, self._option(_TOKEN)) if access_key and secret_key else None

    def _option(self, names: tuple[str, ...]) -> str | None:
        return next((self._options[name] for name in names if name in self._options), None)
