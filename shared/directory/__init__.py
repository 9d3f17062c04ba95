"""The directory of users: a table that every service reads, and fills from the claims of tokens."""

from shared.directory.directory import ERASED_NAME, Companion, Directory
from shared.directory.known_users import KnownUsers
from shared.directory.profile import Profile

__all__ = ["ERASED_NAME", "Companion", "Directory", "KnownUsers", "Profile"]
