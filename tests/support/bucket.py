"""What tests of media need of an object store."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Bucket:
    """A bucket on this machine.

    `url` and `options` are for `CHAT_UPLOAD_STORE` and `CHAT_UPLOAD_STORE_OPTIONS`, `wrong_options` name a key that is not the
    bucket's. `origin` begins its presigned URLs. `binds_size`: a presigned URL accepts only the size that it was made for.
    `refused`: requests that were refused for their signature, if the server records them.
    """

    url: str
    options: str
    wrong_options: str
    origin: str
    names: Callable[[], list[str]]
    binds_size: bool
    refused: list[str] = field(default_factory=list)
