"""Uploads as several services meet them: what a message claims, what a deletion releases, and the URLs that serve them.

The table `media.uploads` is media's own. Messaging changes it through this package alone, inside of the transaction that
stores or deletes the message, so that an upload and its message never disagree.
"""

from shared.uploads.settings import UploadSettings
from shared.uploads.signing import UploadSigner

__all__ = ["UploadSettings", "UploadSigner"]
