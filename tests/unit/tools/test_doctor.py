"""`chatctl doctor` and `chatctl media` beside services whose secrets they don't have: they say so, and advise nothing harmful."""

from typer.testing import CliRunner

from tools.chatctl import app as chatctl
from tools.doctor import store
from tools.doctor.findings import Level, Report
from tools.failure import Failure


async def test_a_store_that_only_media_knows_is_a_note() -> None:
    report = Report("uploads")
    await store.examine(report, None, None)
    (found,) = report.findings
    assert found.level == Level.NOTE
    assert "isn't visible from here" in found.text


def test_the_uploads_of_a_system_are_never_looked_for_in_the_local_stack() -> None:
    environment = {"CHAT_DATABASE_URL": "postgresql://chat@127.0.0.1:1/chat", "CHAT_UPLOAD_STORE": ""}
    result = CliRunner(env=environment).invoke(chatctl.app, ["media", "usage"])
    assert isinstance(result.exception, Failure)
    assert "CHAT_UPLOAD_STORE isn't set" in str(result.exception)
