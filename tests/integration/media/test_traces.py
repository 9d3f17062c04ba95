"""Completing an upload is a span that names it, whether it becomes ready or is refused."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.integration.media.conftest import Conversation, Running
from tests.support.spans import kept_spans
from tests.support.uploads import File, picture


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    with kept_spans() as exporter:
        yield exporter


@pytest.mark.parametrize(
    ("file", "status", "outcome"),
    [(File(picture()), 200, StatusCode.UNSET), (File(b"no picture at all"), 422, StatusCode.ERROR)],
    ids=["ready", "refused"],
)
async def test_a_completion_is_a_span(
    running: Running, talk: Conversation, exported: InMemorySpanExporter, file: File, status: int, outcome: StatusCode
) -> None:
    reservation = await running.reserve(talk, file)
    assert (await running.put(reservation, file.data)).is_success
    answer = await running.complete(talk, reservation)
    assert answer.status_code == status, answer.text
    (span,) = [span for span in exported.get_finished_spans() if span.name == "media.complete"]
    about = {"chat.upload_ids": (reservation["uploadId"],), "chat.user_ids": (talk.alice,)}
    assert about.items() <= dict(span.attributes or {}).items()
    assert span.status.status_code is outcome
