"""Uploads as a client makes them: reserve, send the bytes, complete."""

import io
import wave
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from tests.support.people import Person
from tests.support.plain_http import plain_http

TRANSFER_SECONDS = 60


@dataclass(frozen=True)
class File:
    """What somebody uploads."""

    data: bytes
    name: str = "beach.jpg"
    mime_type: str = "image/jpeg"


def picture(width: int = 300, height: int = 200, form: str = "JPEG", **options: Any) -> bytes:
    """Return an incompressible picture with a red left half."""
    image = Image.effect_noise((width, height), 40).convert("RGB")
    image.paste((220, 20, 20), (0, 0, width // 2, height))
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def sound(seconds: float = 1.5) -> bytes:
    """Return silence, as WAV."""
    target = io.BytesIO()
    with wave.open(target, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(8000)
        opened.writeframes(bytes(round(seconds * 16_000)))
    return target.getvalue()


def opened(data: bytes) -> Image.Image:
    """Return the picture in these bytes."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


async def reserve(person: Person, conversation: str, file: File, **changes: Any) -> httpx.Response:
    """Return the answer to a reservation of `file`."""
    body = {"conversationId": conversation, "name": file.name, "mimeType": file.mime_type, "size": len(file.data)}
    return await person.call("POST", "/chat/uploads", json={**body, **changes})


async def put(reservation: dict[str, Any], data: bytes) -> httpx.Response:
    """Return the answer to the bytes, which are sent without a token."""
    async with plain_http("", timeout=TRANSFER_SECONDS) as client:
        return await client.request(
            reservation["method"], reservation["url"], headers=reservation["headers"], content=data
        )


async def complete(person: Person, reservation: dict[str, Any]) -> httpx.Response:
    """Return the answer to `complete`."""
    return await person.call("POST", f"/chat/uploads/{reservation['uploadId']}/complete")


async def send_bytes(person: Person, conversation: str, file: File) -> dict[str, Any]:
    """Return a reservation whose bytes were sent."""
    reserved = await reserve(person, conversation, file)
    assert reserved.status_code == 201, reserved.text
    reservation: dict[str, Any] = reserved.json()
    answer = await put(reservation, file.data)
    assert answer.is_success, answer.text
    return reservation


async def try_upload(person: Person, conversation: str, file: File) -> httpx.Response:
    """Upload a file, and return the answer to `complete`."""
    return await complete(person, await send_bytes(person, conversation, file))


async def upload(person: Person, conversation: str, file: File) -> dict[str, Any]:
    """Upload a file, and return its description."""
    answer = await try_upload(person, conversation, file)
    assert answer.status_code == 200, answer.text
    media: dict[str, Any] = answer.json()["media"]
    return media


async def fetch(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Return the answer of a signed URL, without a token."""
    async with plain_http("", timeout=TRANSFER_SECONDS) as client:
        return await client.request(method, url, headers={k.replace("_", "-"): v for k, v in headers.items()})
