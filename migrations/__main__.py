"""`python -m migrations`: bring the database at `CHAT_DATABASE_URL` to the newest schema. Safe to run from several places."""

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config


def main() -> None:
    """Upgrade to the newest revision. Exits with 2 when no database is named."""
    if not os.environ.get("CHAT_DATABASE_URL"):
        sys.exit("CHAT_DATABASE_URL: set it to the database to migrate")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    command.upgrade(config, "head")


if __name__ == "__main__":
    main()
