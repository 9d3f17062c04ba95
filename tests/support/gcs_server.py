"""Google Cloud Storage on this machine: moto's S3 behind a check of GCS' signatures.

Its XML API differs from that of S3 only in names and signatures: V4 signed URLs (`GOOG4-RSA-SHA256`) and the self-signed tokens
of a service account. It has no JSON API, no uniform access, no generations, and no `x-goog-content-length-range`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.bucket import Bucket
from tests.support.s3_server import ACCESS_KEY, BUCKET, PREFIX, REGION, Environ, canonical_request, forwarder, served

HOST = "storage.googleapis.com"
EMAIL = "media@chat-test.iam.gserviceaccount.com"


def _account(file: Path, key: rsa.RSAPrivateKey, endpoint: str) -> str:
    """The option of the store that names the JSON key of a service account."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"client_email": EMAIL, "private_key": pem, "private_key_id": "k1", "gcs_base_url": endpoint}
    file.write_text(json.dumps(account))
    return f"service_account={file}"


class _Check:
    """Lets requests through that were signed by `key`."""

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        self._key = key

    def is_signed(self, environ: Environ) -> bool:
        query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
        if "X-Goog-Signature" in dict(query):
            return self._is_signed_url(environ, query)
        token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, self._key, ["RS256"], options={"verify_aud": False})
        except jwt.PyJWTError:
            return False
        return bool(claims["iss"] == EMAIL)

    def _is_signed_url(self, environ: Environ, query: list[tuple[str, str]]) -> bool:
        """Cloud Storage documentation, «V4 signing process»."""
        found = dict(query)
        made = datetime.strptime(found["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > made + timedelta(seconds=int(found["X-Goog-Expires"])):
            return False
        email, _, scope = found["X-Goog-Credential"].partition("/")
        signed = [(name, value) for name, value in query if name != "X-Goog-Signature"]
        # Obstore signs for Google's own host, whatever `gcs_base_url` says.
        canonical = canonical_request(
            {**environ, "HTTP_HOST": HOST}, signed, found["X-Goog-SignedHeaders"], "UNSIGNED-PAYLOAD"
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["GOOG4-RSA-SHA256", found["X-Goog-Date"], scope, digest]).encode()
        try:
            self._key.verify(bytes.fromhex(found["X-Goog-Signature"]), text, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return email == EMAIL


def _as_s3(environ: Environ) -> None:
    """Turn a request of GCS' XML API into the one of S3 that means the same."""
    # Moto checks no signature, but treats a request without one as anonymous.
    credential = f"{ACCESS_KEY}/20240101/{REGION}/s3/aws4_request"
    environ["HTTP_AUTHORIZATION"] = f"{PREFIX} Credential={credential}, SignedHeaders=host, Signature=0"
    query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
    kept = [(name, value) for name, value in query if not name.startswith("X-Goog-")]
    environ["QUERY_STRING"] = "&".join(f"{quote(name)}={quote(value)}" for name, value in kept)
    for name in [name for name in environ if name.startswith("HTTP_X_GOOG_")]:
        environ[name.replace("_GOOG_", "_AMZ_")] = environ.pop(name)


@contextmanager
def gcs_bucket(folder: Path) -> Iterator[Bucket]:
    """A running server with an empty bucket; its accounts' keys are in `folder`."""
    key, other = (rsa.generate_private_key(public_exponent=65_537, key_size=2048) for _ in range(2))
    check, inner, refused = _Check(key.public_key()), forwarder(), list[str]()

    def checked(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not check.is_signed(environ):
            refused.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SignatureDoesNotMatch</Code></Error>"]
        _as_s3(environ)
        return inner(environ, start_response)

    with served(checked, inner) as (origin, names):
        yield Bucket(
            url=f"gs://{BUCKET}/chat",
            options=_account(folder / "account.json", key, origin),
            wrong_options=_account(folder / "other.json", other, origin),
            origin=origin,
            names=names,
            binds_size=False,
            refused=refused,
        )
