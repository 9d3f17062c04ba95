"""The directory of users: the one table that every service may read and fill, from the claims of the tokens it sees."""

from shared.directory.directory import Directory
from shared.directory.profile import Profile

__all__ = ["Directory", "Profile"]
