"""Why a file is not taken. Raised in worker processes too, so it must survive pickling."""


class Refused(Exception):
    """The file is not what it says, or not allowed. The message is for its sender."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
