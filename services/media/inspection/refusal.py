"""The error for a file that is refused. It is raised in worker processes too, so it must survive pickling."""


class Refused(Exception):
    """The file doesn't have the type that its sender says, or isn't allowed. The message is for its sender."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
