"""Uploads in several services: attaching them to messages, releasing them at deletion, and signing their URLs.

The table `media.uploads` belongs to media. Messaging changes it only through this package, in the transaction that stores or
deletes the message, so that an upload and its message are always consistent.
"""

from shared.uploads.settings import UploadSettings
from shared.uploads.signing import UploadSigner

__all__ = ["UploadSettings", "UploadSigner"]
