"""`chatctl vapid` prints what the notifier accepts."""

import pytest

from services.notifier.base64url import encode
from services.notifier.webpush.vapid import VapidKeys
from tools.vapid import vapid


def test_the_printed_key_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    vapid()
    setting, public, _ = capsys.readouterr().out.splitlines()
    name, _, value = setting.partition("=")
    assert name == "CHAT_VAPID_PRIVATE_KEY"
    assert public == f"# public key: {encode(VapidKeys.parse(value).current.public)}"
