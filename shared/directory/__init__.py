"""The directory of users: the one table that every service reads, and fills from the claims of tokens."""

from shared.directory.directory import Directory
from shared.directory.known_users import KnownUsers
from shared.directory.profile import Profile

__all__ = ["Directory", "KnownUsers", "Profile"]
