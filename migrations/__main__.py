"""`python -m migrations`: bring the database at `CHAT_DATABASE_URL` to the newest schema. Safe to run from several places."""

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from shared.postgres import AddressError, parse


def main() -> None:
    """Upgrade to the newest revision. Exits with a message when no database is named, or not in words that libpq knows."""
    if not os.environ.get("CHAT_DATABASE_URL"):
        sys.exit("CHAT_DATABASE_URL: set it to the database to migrate")
    try:
        parse(os.environ["CHAT_DATABASE_URL"])
    except AddressError as error:
        sys.exit(f"CHAT_DATABASE_URL: {error}")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    command.upgrade(config, "head")


if __name__ == "__main__":
    main()
