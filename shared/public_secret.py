"""The key of the local stack, in a module without imports: a command that only needs a token starts at once."""

from typing import Final

PUBLIC_SECRET: Final = "local-development-secret-0123456789abcdef"  # noqa: S105 - public on purpose
"""The HS256 key of the local stack, which is public."""
