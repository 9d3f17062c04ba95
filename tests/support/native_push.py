"""FCM and APNs for tests: HTTP/2 over TLS with a certificate made here, and the answers that a test chooses."""

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class NativePush:
    """One request that the service got."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class NativeAnswer:
    """An answer of the service."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class NativeService:
    """Answers 200, or the given answers in turn and then the last one again and again."""

    def __init__(self, certificate: Path) -> None:
        self.origin = ""
        self.certificate = certificate
        self.pushes: list[NativePush] = []
        self.answers = [NativeAnswer()]
        self.connections = 0
        self._changed = asyncio.Condition()

    async def wait_for(self, count: int, seconds: float = 30) -> list[NativePush]:
        """Wait until there were `count` requests. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.pushes) >= count)
        return self.pushes

    async def take(self, push: NativePush) -> NativeAnswer:
        """Record a request, and return its answer."""
        async with self._changed:
            self.pushes.append(push)
            self._changed.notify_all()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Connection:
    """One HTTP/2 connection (RFC 9113), by the library h2."""

    def __init__(self, service: NativeService, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._service = service
        self._reader = reader
        self._writer = writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}

    async def run(self) -> None:
        """Serve until the peer disconnects."""
        self._h2.initiate_connection()
        await self._flush()
        while data := await self._reader.read(65_536):
            for event in self._h2.receive_data(data):
                await self._on_event(event)
            await self._flush()

    async def _on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            assert event.headers is not None
            headers = {str(name): str(value) for name, value in event.headers}
            self._requests[int(event.stream_id or 0)] = (headers, bytearray())
        elif isinstance(event, h2.events.DataReceived):
            stream = int(event.stream_id or 0)
            self._requests[stream][1].extend(event.data or b"")
            self._h2.acknowledge_received_data(int(event.flow_controlled_length or 0), stream)
        elif isinstance(event, h2.events.StreamEnded):
            stream = int(event.stream_id or 0)
            headers, body = self._requests.pop(stream)
            answer = await self._service.take(NativePush(headers[":path"], headers, json.loads(bytes(body))))
            fields = [(":status", str(answer.status)), *answer.headers.items()]
            self._h2.send_headers(stream, fields)
            self._h2.send_data(
                stream, b"" if answer.body is None else json.dumps(answer.body).encode(), end_stream=True
            )

    async def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()


@asynccontextmanager
async def native_service(folder: Path) -> AsyncIterator[NativeService]:
    """Run a service on loopback. A process trusts it when `SSL_CERT_FILE` is its `certificate`."""
    certificate, key = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    service = NativeService(certificate)
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service.connections += 1
        writers.add(writer)
        try:
            await _Connection(service, reader, writer).run()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writers.discard(writer)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    service.origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        for writer in list(writers):
            writer.transport.abort()


@dataclass
class TokenServer:
    """An OAuth 2.0 token endpoint. `grants`: the assertions that it got."""

    uri: str = ""
    grants: list[str] = field(default_factory=list)
    token: str = "ya29.test"


@asynccontextmanager
async def token_server() -> AsyncIterator[TokenServer]:
    """A running token endpoint on loopback."""
    tokens = TokenServer()

    async def grant(request: web.Request) -> web.Response:
        form = await request.post()
        tokens.grants.append(str(form["assertion"]))
        return web.json_response({"access_token": tokens.token, "expires_in": 3599, "token_type": "Bearer"})

    app = web.Application()
    app.router.add_post("/token", grant)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tokens.uri = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    try:
        yield tokens
    finally:
        await runner.cleanup()


def service_account(token_uri: str) -> str:
    """The JSON key of a service account."""
    account = {
        "type": "service_account",
        "project_id": "chat-test",
        "private_key_id": "k1",
        "private_key": _account_key(),
        "client_email": "push@chat-test.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    return json.dumps(account)


@cache
def _account_key() -> str:
    """Made once: it takes 50 ms of CPU."""
    return _pem(rsa.generate_private_key(public_exponent=65_537, key_size=2048)).decode()


def apns_key() -> tuple[str, ec.EllipticCurvePublicKey]:
    """The text of a `.p8` file, and the public half of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _pem(key).decode(), key.public_key()


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "push of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(_pem(key))
    return paths
