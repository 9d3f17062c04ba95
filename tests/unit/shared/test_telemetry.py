"""No token reaches a log."""

import tomllib
from pathlib import Path

import pytest

from shared.telemetry import VERSION, redact

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /chat/ws?token={TOKEN} HTTP/1.1",
        f"GET /chat/ws?a=b&token={TOKEN}&cursor=1-2",
        f"Authorization: Bearer {TOKEN}",
        f"chat.v1, bearer.{TOKEN}",
        f"GET /chat/ws?token={TOKEN.replace('.', '%2E')}&cursor=1-2",
        f"Authorization: Bearer   {TOKEN}",
        f'{{"type":"auth.refresh","payload":{{"token":"{TOKEN}"}}}}',
        f"{{'token': '{TOKEN}'}}",
    ],
)
def test_tokens_are_redacted(text: str) -> None:
    redacted = redact(text)
    assert "eyJ" not in redacted
    assert "c2lnbmF0dXJl" not in redacted
    assert "[redacted]" in redacted


def test_other_text_stays() -> None:
    assert redact("GET /chat/ws?cursor=1-2 bearer") == "GET /chat/ws?cursor=1-2 bearer"


def test_the_metrics_tell_the_package_s_version() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
