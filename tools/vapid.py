"""`chatctl vapid`: a key to sign pushes with (RFC 8292)."""

from services.notifier.base64url import encode
from services.notifier.webpush.vapid import VapidKey


def vapid() -> None:
    """Print a new VAPID key pair: the setting, and the public half that browsers get by `GET /chat/push/key`."""
    key = VapidKey.generate()
    print(f"CHAT_VAPID_PRIVATE_KEY={key.private_text()}")
    print(f"# public key: {encode(key.public)}")
    print("# To change keys, put the new one before the old ones, with a comma: old subscriptions go on working.")
