"""S3 on this machine: moto's server, behind a check of every request's signature.

Unlike S3, moto keeps everything in memory, and has one region, no policies, no versions, and no limits on part sizes. Its own
check of signatures covers no presigned URLs; the one here does (AWS Signature Version 4, with the hash of the body as it was
signed).
"""

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.support.bucket import Bucket

ACCESS_KEY, SECRET_KEY, REGION, BUCKET = (
    "AKIDEXAMPLE",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "eu-west-1",
    "uploads",
)
PREFIX = "AWS4-HMAC-SHA256"
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """A running server with an empty bucket."""
    inner, refused = forwarder(), list[str]()

    def checked(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not is_signed(environ):
            refused.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SignatureDoesNotMatch</Code></Error>"]
        return inner(environ, start_response)

    with served(checked, inner) as (origin, names):
        given = f"endpoint={origin},region={REGION},access_key_id={ACCESS_KEY},virtual_hosted_style_request=false"
        yield Bucket(
            url=f"s3://{BUCKET}/chat",
            options=f"{given},secret_access_key={SECRET_KEY}",
            wrong_options=f"{given},secret_access_key={SECRET_KEY[::-1]}",
            origin=origin,
            names=names,
            binds_size=True,
            refused=refused,
        )


def forwarder() -> Application:
    """Moto's S3 with an empty bucket, whose requests need no signature."""
    inner: Application = DomainDispatcherApplication(create_backend_app)
    return inner


@contextmanager
def served(checked: Application, inner: Application) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Serve `checked` on loopback, and `inner` for tests: gives the origin, and a function that returns the bucket's names."""
    with _listening(checked) as origin, _listening(inner) as direct:
        client = boto3.client(
            "s3",
            endpoint_url=direct,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

        def names() -> list[str]:
            found = client.list_objects_v2(Bucket=BUCKET)
            return [item["Key"] for item in found.get("Contents", [])]

        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield origin, names
        # Moto keeps one state for a process.
        for name in names():
            client.delete_object(Bucket=BUCKET, Key=name)
        client.delete_bucket(Bucket=BUCKET)


@contextmanager
def _listening(application: Application) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_signed(environ: Environ) -> bool:
    """Whether a request carries a signature of our key, in its header or in its URL, that is valid and not expired."""
    query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
    found = dict(query)
    if "X-Amz-Signature" in found:
        query = [(name, value) for name, value in query if name != "X-Amz-Signature"]
        made = datetime.strptime(found["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > made + timedelta(seconds=int(found["X-Amz-Expires"])):
            return False
        scope, headers, signature = found["X-Amz-Credential"], found["X-Amz-SignedHeaders"], found["X-Amz-Signature"]
        date, body = found["X-Amz-Date"], "UNSIGNED-PAYLOAD"
    else:
        header = environ.get("HTTP_AUTHORIZATION", "")
        if not header.startswith(PREFIX):
            return False
        parts = dict(part.strip().split("=", 1) for part in header.removeprefix(PREFIX).split(","))
        scope, headers, signature = parts["Credential"], parts["SignedHeaders"], parts["Signature"]
        date, body = environ["HTTP_X_AMZ_DATE"], environ["HTTP_X_AMZ_CONTENT_SHA256"]
    access_key, _, scope = scope.partition("/")
    canonical = canonical_request(environ, query, headers, body)
    text = "\n".join([PREFIX, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return access_key == ACCESS_KEY and hmac.compare_digest(_signature(scope, text), signature)


def canonical_request(environ: Environ, query: list[tuple[str, str]], headers: str, body: str) -> str:
    """AWS General Reference, «Create a canonical request»; GCS makes it in the same way."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    lines = [f"{name}:{_header(environ, name).strip()}" for name in headers.split(";")]
    path = environ["RAW_URI"].partition("?")[0]
    return "\n".join(
        [environ["REQUEST_METHOD"], path, "&".join(f"{a}={b}" for a, b in pairs), *lines, "", headers, body]
    )


def _header(environ: Environ, name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}", ""))


def _signature(scope: str, text: str) -> str:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
