"""Signs URLs of S3 together with the length of the body. Apart from `presigning`, since other stores do without botocore."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import botocore.session
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from obstore.exceptions import UnauthenticatedError

_ACCESS_KEY: Final = ("access_key_id", "aws_access_key_id")
_SECRET_KEY: Final = ("secret_access_key", "aws_secret_access_key")
_TOKEN: Final = ("session_token", "token", "aws_session_token", "aws_token")


class S3Signer:
    """Signs with the credentials in `options`, the options of the store; else with those that the AWS SDK finds."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._credentials: Any = None

    def bind(self, url: str, size: int, seconds: int) -> str:
        """Return a presigned URL, signed again together with the length of the body. Raises UnauthenticatedError.

        It blocks: credentials of a pod's identity are fetched over the network again before they expire.
        """
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
